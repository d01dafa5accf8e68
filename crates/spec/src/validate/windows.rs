//! Fields that do not go with the operating system that a pod names.
//!
//! | rule | since |
//! |---|---|
//! | `os.name` is linux or windows | 1.23 |
//! | with `os.name: windows`, no field that only Linux has | 1.23 |
//! | with `os.name: linux`, no `windowsOptions` | 1.23 |
//!
//! The path of a name that is none is `spec.os`, as in the API.

use k8s_openapi::api::core::v1 as api;

use super::report::Report;
use crate::manifest::Pod;
use crate::manifest_error::ManifestErrorKind;
use crate::place::FieldPath;

pub(super) fn check(report: &mut Report<'_>) {
    let Some(os) = report.spec().and_then(|spec| spec.os.as_ref()) else { return };
    if !report.since(23) {
        return;
    }
    let path = FieldPath::from("spec.os.name");
    let (fields, detail): (Vec<FieldPath>, _) = match os.name.as_str() {
        "windows" => (linux_fields(report.pod), "cannot be set for a windows pod"),
        "linux" => (windows_fields(report.pod), "windows options cannot be set for a linux pod"),
        "" => return report.required(&path, "cannot be empty"),
        other => {
            let value = other.to_owned();
            let kind = ManifestErrorKind::NotSupported { value, supported: &["linux", "windows"] };
            return report.add_as(&path, FieldPath::from("spec.os"), kind);
        }
    };
    for path in fields {
        report.forbidden(&path, detail);
    }
}

pub(super) fn is_windows(pod: &Pod) -> bool {
    pod.spec().and_then(|spec| spec.os.as_ref()).is_some_and(|os| os.name == "windows")
}

/// The fields of `pod` that only Linux has.
fn linux_fields(pod: &Pod) -> Vec<FieldPath> {
    let path = FieldPath::from("spec");
    let mut fields = Vec::new();
    let mut add = |path: &FieldPath, of: &[(&str, bool)]| {
        fields.extend(of.iter().filter(|(_, set)| *set).map(|(name, _)| path.child(name)));
    };
    if let Some(spec) = pod.spec() {
        add(&path, &of_spec(spec));
    }
    if let Some(context) = pod.security_context() {
        add(&path.child("securityContext"), &of_pod_context(context));
    }
    for container in pod.containers() {
        if let Some(context) = container.security_context {
            add(&container.path.child("securityContext"), &of_context(context));
        }
    }
    fields
}

fn of_spec(spec: &api::PodSpec) -> [(&'static str, bool); 4] {
    // The API cannot tell `false` from unset for the first two.
    [
        ("hostPID", spec.host_pid == Some(true)),
        ("hostIPC", spec.host_ipc == Some(true)),
        ("hostUsers", spec.host_users.is_some()),
        ("shareProcessNamespace", spec.share_process_namespace.is_some()),
    ]
}

fn of_pod_context(context: &api::PodSecurityContext) -> [(&'static str, bool); 11] {
    let has_sysctls = context.sysctls.as_ref().is_some_and(|it| !it.is_empty());
    [
        ("seLinuxOptions", context.se_linux_options.is_some()),
        ("seccompProfile", context.seccomp_profile.is_some()),
        ("appArmorProfile", context.app_armor_profile.is_some()),
        ("fsGroup", context.fs_group.is_some()),
        ("fsGroupChangePolicy", context.fs_group_change_policy.is_some()),
        ("sysctls", has_sysctls),
        ("runAsUser", context.run_as_user.is_some()),
        ("runAsGroup", context.run_as_group.is_some()),
        ("supplementalGroups", context.supplemental_groups.is_some()),
        ("supplementalGroupsPolicy", context.supplemental_groups_policy.is_some()),
        ("seLinuxChangePolicy", context.se_linux_change_policy.is_some()),
    ]
}

fn of_context(context: &api::SecurityContext) -> [(&'static str, bool); 10] {
    [
        ("seLinuxOptions", context.se_linux_options.is_some()),
        ("seccompProfile", context.seccomp_profile.is_some()),
        ("appArmorProfile", context.app_armor_profile.is_some()),
        ("capabilities", context.capabilities.is_some()),
        ("readOnlyRootFilesystem", context.read_only_root_filesystem.is_some()),
        ("privileged", context.privileged.is_some()),
        ("allowPrivilegeEscalation", context.allow_privilege_escalation.is_some()),
        ("procMount", context.proc_mount.is_some()),
        ("runAsUser", context.run_as_user.is_some()),
        ("runAsGroup", context.run_as_group.is_some()),
    ]
}

/// The fields of `pod` that only Windows has.
fn windows_fields(pod: &Pod) -> Vec<FieldPath> {
    let field = |path: FieldPath| path.child("securityContext.windowsOptions");
    let of_pod = pod.security_context().is_some_and(|it| it.windows_options.is_some());
    let of_containers = pod.containers().filter(|container| {
        container.security_context.is_some_and(|it| it.windows_options.is_some())
    });
    of_pod
        .then(|| field(FieldPath::from("spec")))
        .into_iter()
        .chain(of_containers.map(|container| field(container.path)))
        .collect()
}
