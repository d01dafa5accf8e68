//! The pod's own names.
//!
//! | rule | since |
//! |---|---|
//! | `metadata.name` or `generateName` is set; here `name` is, since nobody generates one | 1.0 |
//! | the name is a DNS subdomain, the namespace a DNS label | 1.0 |
//! | keys of annotations are qualified names | 1.0 |
//! | annotations have at most 256 KiB together | 1.0 |

use super::names::{is_qualified_name, label_faults, subdomain_faults};
use super::report::{Report, invalid};
use super::{ApiVersion, LegacyAnnotations};
use crate::manifest_error::ManifestErrorKind;
use crate::place::FieldPath;

pub(super) fn check(report: &mut Report<'_>) {
    let metadata = &report.pod.object.metadata;
    let path = FieldPath::from("metadata");
    let name = metadata.name.as_deref().unwrap_or_default();
    let is_generated = metadata.generate_name.as_deref().is_some_and(|it| !it.is_empty());
    let here = report.rules.annotations == LegacyAnnotations::Understood;
    if !name.is_empty() {
        for fault in subdomain_faults(name) {
            report.invalid(&path.child("name"), name, fault);
        }
    } else if here {
        report.required(&path.child("name"), "a pod needs a name");
    } else if !is_generated {
        report.required(&path.child("name"), "name or generateName is required");
    }
    if let Some(namespace) = metadata.namespace.as_deref().filter(|it| !it.is_empty()) {
        for fault in label_faults(namespace) {
            report.invalid(&path.child("namespace"), namespace, fault);
        }
    }
    check_keys(report);
}

fn check_keys(report: &mut Report<'_>) {
    let path = FieldPath::from("metadata.annotations");
    let annotations = report.pod.annotations();
    for key in annotations.keys() {
        let is_understood = report.rules.annotations == LegacyAnnotations::Understood
            && key.starts_with(VERY_OLD_SECCOMP);
        // The API allows upper case in the prefix by folding the whole key.
        if !is_qualified_name(&key.to_lowercase()) && !is_understood {
            let kind = invalid(format!("{key:?}"), &key_fault(report.rules.version));
            report.add_as(&path.key(key), path.clone(), kind);
        }
    }
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > MOST_ANNOTATION_BYTES {
        let limit = if report.since(31) { "may not be more than" } else { "must have at most" };
        let detail = format!("{limit} {MOST_ANNOTATION_BYTES} bytes");
        report.add(&path, ManifestErrorKind::TooLong { detail });
    }
}

fn key_fault(version: ApiVersion) -> String {
    let what = if version >= ApiVersion(34) { "a valid label key" } else { "a qualified name" };
    format!(
        "{what} must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
         with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used \
         for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS \
         subdomain prefix and '/' (e.g. 'example.com/MyName')"
    )
}

const VERY_OLD_SECCOMP: &str = "security.alpha.kubernetes.io/seccomp/";
const MOST_ANNOTATION_BYTES: usize = 256 * 1024;
