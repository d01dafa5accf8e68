//! The fields of the two security contexts that are not a mechanism's own.
//!
//! | rule | since |
//! |---|---|
//! | ids are from 0 to 2147483647 | 1.0 |
//! | `procMount` is Default or Unmasked; Unmasked needs `hostUsers: false` | 1.12; 1.30 |
//! | `fsGroupChangePolicy` is Always or OnRootMismatch | 1.18 |
//! | `supplementalGroupsPolicy` is Merge or Strict | 1.31 |
//! | `seLinuxChangePolicy` is MountOption or Recursive | 1.32 |
//! | `allowPrivilegeEscalation: false` not together with `privileged`, nor with `CAP_SYS_ADMIN` as literally written (`SYS_ADMIN` goes unnoticed) | 1.8 |
//! | `privileged` only if the API server allows it | 1.0 |
//!
//! Names of capabilities are not checked by the API.

use k8s_openapi::api::core::v1 as api;

use super::report::{Report, invalid};
use super::{LegacyAnnotations, PrivilegedContainers, apparmor, go, seccomp};
use crate::manifest_error::ManifestErrorKind;
use crate::place::FieldPath;

/// Checks each container's `securityContext`.
pub(super) fn check_containers(report: &mut Report<'_>) {
    for container in report.pod.containers() {
        if let Some(context) = container.security_context {
            check_container(report, &container.path.child("securityContext"), context);
        }
    }
}

/// Checks `spec.securityContext`.
pub(super) fn check_pod(report: &mut Report<'_>) {
    let Some(context) = report.pod.security_context() else { return };
    let path = FieldPath::from("spec.securityContext");
    check_id(report, &path.child("fsGroup"), context.fs_group);
    check_id(report, &path.child("runAsUser"), context.run_as_user);
    check_id(report, &path.child("runAsGroup"), context.run_as_group);
    for (index, group) in context.supplemental_groups.iter().flatten().enumerate() {
        check_id(report, &path.child("supplementalGroups").index(index), Some(*group));
    }
    for (field, value, since, supported) in [
        (
            "fsGroupChangePolicy",
            &context.fs_group_change_policy,
            18,
            &["Always", "OnRootMismatch"] as &'static [&'static str],
        ),
        ("supplementalGroupsPolicy", &context.supplemental_groups_policy, 31, &["Merge", "Strict"]),
        ("seLinuxChangePolicy", &context.se_linux_change_policy, 32, &["MountOption", "Recursive"]),
    ] {
        if report.since(since) {
            report.one_of(&path.child(field), value.as_deref(), supported);
        }
    }
    let field = path.child("seccompProfile");
    seccomp::check_field(report, &field, context.seccomp_profile.as_ref());
    let field = path.child("appArmorProfile");
    apparmor::check_field(report, &field, context.app_armor_profile.as_ref());
}

fn check_container(report: &mut Report<'_>, path: &FieldPath, context: &api::SecurityContext) {
    let is_privileged = context.privileged == Some(true);
    if is_privileged && report.rules.privileged == PrivilegedContainers::Forbidden {
        report.forbidden(&path.child("privileged"), "disallowed by cluster policy");
    }
    check_id(report, &path.child("runAsUser"), context.run_as_user);
    check_id(report, &path.child("runAsGroup"), context.run_as_group);
    check_proc_mount(report, &path.child("procMount"), context.proc_mount.as_deref());
    let field = path.child("seccompProfile");
    seccomp::check_field(report, &field, context.seccomp_profile.as_ref());
    if context.allow_privilege_escalation == Some(false) {
        check_no_escalation(report, path, context);
    }
    let field = path.child("appArmorProfile");
    apparmor::check_field(report, &field, context.app_armor_profile.as_ref());
}

fn check_no_escalation(report: &mut Report<'_>, path: &FieldPath, context: &api::SecurityContext) {
    // A person is better served without the whole object.
    let value = match report.rules.annotations {
        LegacyAnnotations::AsCluster => Some(go::security_context(context)),
        LegacyAnnotations::Understood => None,
    };
    let mut clash = |at: &str, detail: &str| {
        let kind = ManifestErrorKind::Invalid { value: value.clone(), detail: detail.to_owned() };
        report.add_as(&path.child(at), path.clone(), kind);
    };
    if context.privileged == Some(true) {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        clash("allowPrivilegeEscalation", detail);
    }
    let added = context.capabilities.as_ref().and_then(|it| it.add.as_deref()).unwrap_or_default();
    for _ in added.iter().filter(|name| *name == "CAP_SYS_ADMIN") {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` \
                      CAP_SYS_ADMIN";
        clash("capabilities.add", detail);
    }
}

fn check_proc_mount(report: &mut Report<'_>, path: &FieldPath, value: Option<&str>) {
    report.one_of(path, value, &["Default", "Unmasked"]);
    let has_user_namespace = report.spec().is_some_and(|spec| spec.host_users == Some(false));
    if value == Some("Unmasked") && !has_user_namespace && report.since(30) {
        report.invalid(path, "Unmasked", "`hostUsers` must be false to use `Unmasked`");
    }
}

fn check_id(report: &mut Report<'_>, path: &FieldPath, id: Option<i64>) {
    if let Some(id) = id.filter(|id| !(0..=i64::from(i32::MAX)).contains(id)) {
        let detail = "must be between 0 and 2147483647, inclusive";
        report.add(path, invalid(id.to_string(), detail));
    }
}
