//! seccomp profiles: the field, the annotations of 1.4 to 1.18, and whether
//! they agree.
//!
//! | rule | since |
//! |---|---|
//! | annotation: `runtime/default`, `docker/default`, `unconfined` or `localhost/<relative path without ..>` | 1.4 |
//! | field: a type; Localhost has a relative path without `..`, others have none | 1.19 |
//! | annotation and field of one container, or of the pod, say the same | 1.19 |
//!
//! Without a cluster's version the keys of 1.3 are checked too. Paths of
//! annotations are written without brackets, as the API writes these.

use k8s_openapi::api::core::v1 as api;

use super::report::{Report, invalid};
use super::{LegacyAnnotations, go};
use crate::place::FieldPath;

/// Checks each annotation, whether or not there is such a container.
pub(super) fn check_annotations(report: &mut Report<'_>) {
    let all = FieldPath::from("metadata.annotations");
    for (key, value) in report.pod.annotations() {
        let is_old = key.starts_with(VERY_OLD_POD) || key.starts_with(VERY_OLD_CONTAINER);
        let is_understood = report.rules.annotations == LegacyAnnotations::Understood && is_old;
        let is_meant = key == POD || key.starts_with(CONTAINER) || is_understood;
        if let Some((value, fault)) = annotation_fault(value).filter(|_| is_meant) {
            let kind = invalid(format!("{value:?}"), fault);
            report.add_as(&all.key(key), all.child(key), kind);
        }
    }
}

/// Checks the field at `path`.
pub(super) fn check_field(
    report: &mut Report<'_>,
    path: &FieldPath,
    field: Option<&api::SeccompProfile>,
) {
    let Some(profile) = field.filter(|_| report.since(19)) else { return };
    let kind_path = path.child("type");
    if profile.type_.is_empty() {
        report.required(&kind_path, "type is required when seccompProfile is set");
    } else {
        report.one_of(&kind_path, Some(&profile.type_), TYPES);
    }
    let path = path.child("localhostProfile");
    match (profile.type_.as_str(), &profile.localhost_profile) {
        ("Localhost", None) => {
            report.required(&path, "must be set when seccomp type is Localhost");
        }
        ("Localhost", Some(file)) => {
            if let Some(fault) = descending_fault(file) {
                report.invalid(&path, file, fault);
            }
        }
        (_, None) => {}
        (other, file @ Some(_)) => {
            let value = go::profile(other, file);
            report.add(&path, invalid(value, "can only be set when seccomp type is Localhost"));
        }
    }
}

/// Compares annotations with the fields of the same level. There is no
/// comparison of the pod's with a container's.
pub(super) fn check_agreement(report: &mut Report<'_>) {
    if !report.since(19) {
        return;
    }
    let annotations = report.pod.annotations();
    let pod_field = report.pod.security_context().and_then(|it| it.seccomp_profile.as_ref());
    let pod_path = FieldPath::from("spec.securityContext.seccompProfile");
    agree(report, &pod_path, annotations.get(POD), pod_field);
    for container in report.pod.containers() {
        let annotation = annotations.get(&format!("{CONTAINER}{}", container.name));
        let field = container.security_context.and_then(|it| it.seccomp_profile.as_ref());
        let path = container.path.child("securityContext.seccompProfile");
        agree(report, &path, annotation, field);
    }
}

fn agree(
    report: &mut Report<'_>,
    path: &FieldPath,
    annotation: Option<&String>,
    field: Option<&api::SeccompProfile>,
) {
    let (Some(annotation), Some(field)) = (annotation, field) else { return };
    let text = annotation.as_str();
    let same_type = match field.type_.as_str() {
        "Unconfined" => text == "unconfined",
        "RuntimeDefault" => matches!(text, "runtime/default" | "docker/default"),
        "Localhost" => text.starts_with("localhost/"),
        // A type that is none agrees with everything.
        _ => return,
    };
    let file = text.strip_prefix("localhost/");
    if !same_type {
        report.forbidden(&path.child("type"), "seccomp type in annotation and field must match");
    } else if file.is_some() && field.localhost_profile.as_deref() != file {
        let path = path.child("localhostProfile");
        report.forbidden(&path, "seccomp profile in annotation and field must match");
    }
}

/// What is wrong with the text of an annotation, and which part of it.
fn annotation_fault(value: &str) -> Option<(&str, &'static str)> {
    if matches!(value, "runtime/default" | "docker/default" | "unconfined") {
        return None;
    }
    match value.strip_prefix("localhost/") {
        Some(file) => descending_fault(file).map(|fault| (file, fault)),
        None => Some((value, "must be a valid seccomp profile")),
    }
}

fn descending_fault(file: &str) -> Option<&'static str> {
    if file.starts_with('/') {
        Some("must be a relative path")
    } else if file.split('/').any(|element| element == "..") {
        Some("must not contain '..'")
    } else {
        None
    }
}

const TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];
pub(crate) const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
pub(crate) const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const VERY_OLD_POD: &str = "security.alpha.kubernetes.io/seccomp/pod";
const VERY_OLD_CONTAINER: &str = "security.alpha.kubernetes.io/seccomp/container/";
