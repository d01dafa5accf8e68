//! AppArmor profiles: the field, the annotations of 1.4 to 1.30, and whether
//! they agree.
//!
//! | rule | since |
//! |---|---|
//! | annotation: of a container of the pod | 1.4 |
//! | annotation: empty, `runtime/default`, `unconfined` or `localhost/<name>` | 1.4 |
//! | field: a type; Localhost has a name without padding of at most 4095 bytes, others have none | 1.30 |
//! | annotation and field in force for a container (its own, else the pod's) say the same | 1.30 |

use std::collections::HashSet;

use k8s_openapi::api::core::v1 as api;

use super::ApiVersion;
use super::report::{Report, invalid};
use crate::manifest_error::ManifestErrorKind;
use crate::place::FieldPath;

/// Checks each annotation.
pub(super) fn check_annotations(report: &mut Report<'_>) {
    let pod = report.pod;
    let names: HashSet<&str> = pod.containers().map(|container| container.name).collect();
    for (key, value) in pod.annotations() {
        let Some(name) = key.strip_prefix(KEY) else { continue };
        let path = FieldPath::from("metadata.annotations").key(key);
        if !names.contains(name) {
            report.invalid(&path, name, "container not found");
        }
        let is_known = matches!(value.as_str(), "" | "runtime/default" | "unconfined");
        if !is_known && !value.starts_with(LOCALHOST) {
            let detail = format!("invalid AppArmor profile name: {value:?}");
            report.invalid(&path, value, &detail);
        }
    }
}

/// Checks the field at `path`.
pub(super) fn check_field(
    report: &mut Report<'_>,
    path: &FieldPath,
    field: Option<&api::AppArmorProfile>,
) {
    let Some(profile) = field.filter(|_| report.since(30)) else { return };
    let kind_path = path.child("type");
    if profile.type_.is_empty() {
        report.required(&kind_path, "type is required when appArmorProfile is set");
    } else {
        report.one_of(&kind_path, Some(&profile.type_), TYPES);
    }
    let path = path.child("localhostProfile");
    let name = profile.localhost_profile.as_deref();
    match (profile.type_.as_str(), name) {
        ("Localhost", name) => {
            for fault in name_faults(name.unwrap_or_default(), report.rules.version) {
                report.add(&path, fault);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            let detail = "can only be set when AppArmor type is Localhost";
            report.add(&path, invalid(format!("{name:?}"), detail));
        }
        // Of a type that is none, nothing more is said.
        _ => {}
    }
}

/// What is wrong with the name of a profile on the node.
pub(crate) fn name_faults(name: &str, version: ApiVersion) -> Vec<ManifestErrorKind> {
    let mut faults = Vec::new();
    if name.trim() != name {
        faults.push(invalid(format!("{name:?}"), "must not be padded with whitespace"));
    } else if name.is_empty() {
        let detail = "must be set when AppArmor type is Localhost".to_owned();
        faults.push(ManifestErrorKind::Required { detail });
    }
    if name.len() > MOST_BYTES {
        let is_new = version >= ApiVersion(31);
        let limit = if is_new { "may not be more than" } else { "must have at most" };
        faults.push(ManifestErrorKind::TooLong { detail: format!("{limit} {MOST_BYTES} bytes") });
    }
    faults
}

/// Compares each container's annotation with the field in force for it.
pub(super) fn check_agreement(report: &mut Report<'_>) {
    if !report.since(30) || super::windows::is_windows(report.pod) {
        return;
    }
    let pod_field = report.pod.security_context().and_then(|it| it.app_armor_profile.as_ref());
    for container in report.pod.containers() {
        let annotation = report.pod.annotations().get(&format!("{KEY}{}", container.name));
        let own = container.security_context.and_then(|it| it.app_armor_profile.as_ref());
        let (Some(annotation), Some(field)) = (annotation, own.or(pod_field)) else { continue };
        let path = container.path.child("securityContext.appArmorProfile");
        let text = annotation.as_str();
        let same_type = match field.type_.as_str() {
            "Unconfined" => text == "unconfined",
            "RuntimeDefault" => text == "runtime/default",
            "Localhost" => text.starts_with(LOCALHOST),
            // A type that is none agrees with everything.
            _ => continue,
        };
        let name = text.strip_prefix(LOCALHOST);
        if !same_type {
            let detail = "apparmor type in annotation and field must match";
            report.forbidden(&path.child("type"), detail);
        } else if name.is_some() && field.localhost_profile.as_deref() != name {
            let detail = "apparmor profile in annotation and field must match";
            report.forbidden(&path.child("localhostProfile"), detail);
        }
    }
}

const TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];
pub(crate) const KEY: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCALHOST: &str = "localhost/";
const MOST_BYTES: usize = 4095;
