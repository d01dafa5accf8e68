//! A security context as an API server prints it in an error: the JSON of its
//! internal type, every field named. (Clusters before that printed addresses
//! of memory.)

use std::fmt::Debug;

use k8s_openapi::api::core::v1 as api;

pub(super) fn security_context(context: &api::SecurityContext) -> String {
    let capabilities = context.capabilities.as_ref();
    let se_linux = context.se_linux_options.as_ref();
    let windows = context.windows_options.as_ref();
    object(&[
        (
            "Capabilities",
            nested(capabilities, |it| object(&[("Add", list(&it.add)), ("Drop", list(&it.drop))])),
        ),
        ("Privileged", plain(&context.privileged)),
        (
            "SELinuxOptions",
            nested(se_linux, |it| {
                object(&[
                    ("User", text(&it.user)),
                    ("Role", text(&it.role)),
                    ("Type", text(&it.type_)),
                    ("Level", text(&it.level)),
                ])
            }),
        ),
        (
            "WindowsOptions",
            nested(windows, |it| {
                object(&[
                    ("GMSACredentialSpecName", plain(&it.gmsa_credential_spec_name)),
                    ("GMSACredentialSpec", plain(&it.gmsa_credential_spec)),
                    ("RunAsUserName", plain(&it.run_as_user_name)),
                    ("HostProcess", plain(&it.host_process)),
                ])
            }),
        ),
        ("RunAsUser", plain(&context.run_as_user)),
        ("RunAsGroup", plain(&context.run_as_group)),
        ("RunAsNonRoot", plain(&context.run_as_non_root)),
        ("ReadOnlyRootFilesystem", plain(&context.read_only_root_filesystem)),
        ("AllowPrivilegeEscalation", plain(&context.allow_privilege_escalation)),
        ("ProcMount", plain(&context.proc_mount)),
        (
            "SeccompProfile",
            nested(context.seccomp_profile.as_ref(), |it| {
                profile(&it.type_, &it.localhost_profile)
            }),
        ),
        (
            "AppArmorProfile",
            nested(context.app_armor_profile.as_ref(), |it| {
                profile(&it.type_, &it.localhost_profile)
            }),
        ),
    ])
}

/// A seccomp or AppArmor profile, as it is printed on its own too.
pub(super) fn profile(kind: &str, localhost: &Option<String>) -> String {
    object(&[("Type", format!("{kind:?}")), ("LocalhostProfile", plain(localhost))])
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn nested<T>(value: Option<&T>, print: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| "null".to_owned(), print)
}

fn plain<T: Debug>(value: &Option<T>) -> String {
    nested(value.as_ref(), |it| format!("{it:?}"))
}

/// A field that Go cannot leave unset.
fn text(value: &Option<String>) -> String {
    format!("{:?}", value.as_deref().unwrap_or_default())
}

fn list(values: &Option<Vec<String>>) -> String {
    nested(values.as_ref(), |values| {
        let values: Vec<String> = values.iter().map(|it| format!("{it:?}")).collect();
        format!("[{}]", values.join(","))
    })
}
