//! The namespaces that a pod shares with its node or among its containers.
//!
//! | rule | since |
//! |---|---|
//! | `shareProcessNamespace` not together with `hostPID` | 1.10 |
//! | `hostUsers: false` not together with `hostPID`, `hostIPC`, `hostNetwork` or block devices | 1.25 |
//!
//! The paths `spec.HostPID`, `spec.HostIPC` and `spec.securityContext.shareProcessNamespace` are the
//! API's own.

use super::report::{Report, invalid};
use crate::place::FieldPath;

pub(super) fn check(report: &mut Report<'_>) {
    let Some(spec) = report.spec() else { return };
    let path = FieldPath::from("spec");
    let is_set = |field: Option<bool>| field == Some(true);
    if is_set(spec.share_process_namespace) && is_set(spec.host_pid) {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        let name = FieldPath::from("spec.securityContext.shareProcessNamespace");
        let kind = invalid("true".to_owned(), detail);
        report.add_as(&path.child("shareProcessNamespace"), name, kind);
    }
    if !report.since(25) || spec.host_users != Some(false) {
        return;
    }
    for (field, name, value) in [
        ("hostPID", "spec.HostPID", spec.host_pid),
        ("hostIPC", "spec.HostIPC", spec.host_ipc),
        ("hostNetwork", "spec.hostNetwork", spec.host_network),
    ] {
        if is_set(value) {
            report.add_as(&path.child(field), name.into(), with_user_namespace());
        }
    }
    for container in report.pod.containers() {
        if !container.volume_devices.is_empty() {
            report.add(&container.path.child("volumeDevices"), with_user_namespace());
        }
    }
}

fn with_user_namespace() -> crate::ManifestErrorKind {
    crate::ManifestErrorKind::Forbidden { detail: "when `hostUsers` is false".to_owned() }
}
