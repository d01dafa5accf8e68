//! What an API server writes into a new pod by itself: annotations and fields that say the same.
//!
//! While profiles moved from annotations to fields, servers copied what one of them said to the other,
//! so that newer and older nodes do the same with a pod. It happens on creation, after mutating and
//! before validating admission.
//!
//! | | annotation to field | field to annotation |
//! |---|---|---|
//! | seccomp, the pod and each container by itself | 1.19 – 1.26 | 1.19 – 1.24 |
//! | AppArmor, each container; not with `os: windows` | since 1.30, with a warning | 1.30 – 1.33 |
//!
//! What is neither annotation nor field stays as it is, and nothing that is said is overwritten: where
//! the two contradict each other, [`validate`](crate::validate()) refuses the pod.
//!
//! Source: Kubernetes `pkg/registry/core/pod/strategy.go`.

mod apparmor;
mod seccomp;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1 as api;

use crate::manifest::Pod;
use crate::place::Place;
use crate::validate::ApiVersion;

/// A pod as a server stores it.
#[derive(Clone, Debug)]
pub struct Synced {
    /// The pod, with what was copied.
    pub pod: Pod,
    /// What its author is told.
    pub warnings: Vec<DeprecatedAnnotation>,
}

/// An annotation that counted where a field should have been.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeprecatedAnnotation {
    /// The annotation.
    pub place: Place,
}

impl fmt::Display for DeprecatedAnnotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { path, .. } = &self.place;
        write!(f, "{path}: deprecated since v1.30; use the \"appArmorProfile\" field instead")
    }
}

/// Copies between annotations and fields as a server of `version` does on creation.
pub fn sync(pod: &Pod, version: ApiVersion) -> Synced {
    let mut synced = pod.clone();
    seccomp::sync(&mut synced.object, version);
    let keys = apparmor::sync(&mut synced.object, version);
    let warnings = keys.iter().map(|key| {
        let path = crate::place::FieldPath::from("metadata.annotations").key(key);
        DeprecatedAnnotation { place: pod.point_at(&path) }
    });
    Synced { warnings: warnings.collect(), pod: synced }
}

type Annotations = Option<BTreeMap<String, String>>;

/// A container's name and security context, of each of the three lists in turn.
fn contexts(
    spec: &mut api::PodSpec,
) -> impl Iterator<Item = (&str, &mut Option<api::SecurityContext>)> {
    let init = spec.init_containers.iter_mut().flatten();
    let regular = spec.containers.iter_mut();
    let ephemeral = spec.ephemeral_containers.iter_mut().flatten();
    init.chain(regular)
        .map(|it| (it.name.as_str(), &mut it.security_context))
        .chain(ephemeral.map(|it| (it.name.as_str(), &mut it.security_context)))
}

/// The text of an annotation that says what a field says. A type that is none says nothing.
fn text_of(kind: &str, name: Option<&str>) -> Option<String> {
    match (kind, name) {
        ("RuntimeDefault", _) => Some("runtime/default".to_owned()),
        ("Unconfined", _) => Some("unconfined".to_owned()),
        ("Localhost", Some(name)) => Some(format!("localhost/{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
