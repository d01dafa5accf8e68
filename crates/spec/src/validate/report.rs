//! The sheet on which the rules write.

use std::cmp::Ordering;

use k8s_openapi::api::core::v1 as api;

use super::{ApiVersion, Rules};
use crate::manifest::Pod;
use crate::manifest_error::{ManifestError, ManifestErrorKind};
use crate::place::FieldPath;

/// A pod, whose answer is wanted, and what was found so far.
pub(super) struct Report<'a> {
    pub(super) pod: &'a Pod,
    pub(super) rules: Rules,
    pub(super) found: Vec<ManifestError>,
}

impl<'a> Report<'a> {
    pub(super) fn new(pod: &'a Pod, rules: Rules) -> Self {
        Self { pod, rules, found: Vec::new() }
    }

    pub(super) fn since(&self, minor: u16) -> bool {
        self.rules.version >= ApiVersion(minor)
    }

    pub(super) fn spec(&self) -> Option<&'a api::PodSpec> {
        self.pod.spec()
    }

    pub(super) fn add(&mut self, path: &FieldPath, kind: ManifestErrorKind) {
        self.add_as(path, path.clone(), kind);
    }

    /// Adds what is found at `path` under the name that the API has for it.
    pub(super) fn add_as(&mut self, path: &FieldPath, name: FieldPath, kind: ManifestErrorKind) {
        // A hostile pod has a hundred thousand mistakes, and finding the place
        // of one takes a walk through all of it.
        match self.found.len().cmp(&MOST_FOUND) {
            Ordering::Less => {
                let place = self.pod.point_at(path).named(name);
                self.found.push(ManifestError::error(place, kind));
            }
            Ordering::Equal => {
                let place = self.pod.point_at(&FieldPath::root());
                self.found.push(ManifestError::error(place, ManifestErrorKind::More));
            }
            Ordering::Greater => {}
        }
    }

    pub(super) fn invalid(&mut self, path: &FieldPath, value: &str, detail: &str) {
        self.add(path, invalid(format!("{value:?}"), detail));
    }

    pub(super) fn required(&mut self, path: &FieldPath, detail: &str) {
        self.add(path, ManifestErrorKind::Required { detail: detail.to_owned() });
    }

    pub(super) fn forbidden(&mut self, path: &FieldPath, detail: &str) {
        self.add(path, ManifestErrorKind::Forbidden { detail: detail.to_owned() });
    }

    pub(super) fn duplicate(&mut self, path: &FieldPath, value: &str) {
        self.add(path, ManifestErrorKind::Duplicate { value: value.to_owned() });
    }

    /// Checks that `value`, if set, is one of `supported`.
    pub(super) fn one_of(
        &mut self,
        path: &FieldPath,
        value: Option<&str>,
        supported: &'static [&'static str],
    ) {
        if let Some(value) = value
            && !supported.contains(&value)
        {
            let value = value.to_owned();
            self.add(path, ManifestErrorKind::NotSupported { value, supported });
        }
    }
}

/// `value` as Go prints it.
pub(super) fn invalid(value: String, detail: &str) -> ManifestErrorKind {
    ManifestErrorKind::Invalid { value: Some(value), detail: detail.to_owned() }
}

/// Mistakes told for one pod.
const MOST_FOUND: usize = 100;
