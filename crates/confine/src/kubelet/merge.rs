//! The security context that a kubelet makes of the pod's and the container's.
//!
//! A field of the container replaces the pod's as a whole: capabilities and SELinux options are not merged
//! inside. Only Windows' options are. Of the pod's fields those count that a container has as well, but
//! for profiles, which have an order of precedence of their own; they are left out unless the pod has no
//! security context at all. Groups and sysctls are the pod's alone.

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{Container, Pod};

/// Merges the pod's security context and the container's.
pub fn effective_context(pod: &Pod, container: &Container<'_>) -> k8s::SecurityContext {
    let own = container.security_context;
    let (shared, own) = match (pod.security_context(), own) {
        (None, own) => return own.cloned().unwrap_or_default(),
        (Some(shared), None) => return of_pod(shared),
        (Some(shared), Some(own)) => (of_pod(shared), own.clone()),
    };
    let k8s::SecurityContext {
        allow_privilege_escalation,
        app_armor_profile: _,
        capabilities,
        privileged,
        proc_mount,
        read_only_root_filesystem,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile: _,
        windows_options,
    } = own;
    k8s::SecurityContext {
        allow_privilege_escalation,
        app_armor_profile: None,
        capabilities,
        privileged,
        proc_mount,
        read_only_root_filesystem,
        run_as_group: run_as_group.or(shared.run_as_group),
        run_as_non_root: run_as_non_root.or(shared.run_as_non_root),
        run_as_user: run_as_user.or(shared.run_as_user),
        se_linux_options: se_linux_options.or(shared.se_linux_options),
        seccomp_profile: None,
        windows_options: match (windows_options, shared.windows_options) {
            (Some(own), Some(shared)) => Some(windows(own, shared)),
            (own, shared) => own.or(shared),
        },
    }
}

fn of_pod(shared: &k8s::PodSecurityContext) -> k8s::SecurityContext {
    k8s::SecurityContext {
        run_as_group: shared.run_as_group,
        run_as_non_root: shared.run_as_non_root,
        run_as_user: shared.run_as_user,
        se_linux_options: shared.se_linux_options.clone(),
        windows_options: shared.windows_options.clone(),
        ..k8s::SecurityContext::default()
    }
}

/// The two fields of a managed account go hand in hand.
fn windows(
    own: k8s::WindowsSecurityContextOptions,
    shared: k8s::WindowsSecurityContextOptions,
) -> k8s::WindowsSecurityContextOptions {
    let has_account = own.gmsa_credential_spec_name.is_some() || own.gmsa_credential_spec.is_some();
    let (gmsa_credential_spec_name, gmsa_credential_spec) = if has_account {
        (own.gmsa_credential_spec_name, own.gmsa_credential_spec)
    } else {
        (shared.gmsa_credential_spec_name, shared.gmsa_credential_spec)
    };
    k8s::WindowsSecurityContextOptions {
        gmsa_credential_spec,
        gmsa_credential_spec_name,
        host_process: own.host_process.or(shared.host_process),
        run_as_user_name: own.run_as_user_name.or(shared.run_as_user_name),
    }
}
