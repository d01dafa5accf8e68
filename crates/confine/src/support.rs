//! Every field of a pod, and what this build does with it.
//!
//! The structures are taken apart without `..`: a field that a newer Kubernetes adds does not
//! compile until somebody has decided what becomes of it. A field that confines and is not enforced
//! is refused by name; one that is about something else than confinement is warned about if it
//! would have had an effect here.

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{ContainerList, FieldPath, Pod};

use crate::scope::Findings;
use crate::turn::{self, Turn};
use crate::{Origin, Reason};

/// Refuses or warns about what is set and not done.
pub(crate) fn examine(pod: &Pod, spec: &k8s::PodSpec, findings: &mut Findings) {
    let at = FieldPath::from("spec");
    let mut desk = Desk { pod, findings };
    pod_fields(&mut desk, &at, spec);
    if let Some(context) = &spec.security_context {
        pod_security_fields(&mut desk, &at.child("securityContext"), context);
    }
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        let at = at.child("initContainers").index(index);
        container_fields(&mut desk, &at, container);
        if turn::resolve(ContainerList::Init, container) == Turn::Init {
            init_container_fields(&mut desk, &at, container);
        }
    }
    for (index, container) in spec.containers.iter().enumerate() {
        container_fields(&mut desk, &at.child("containers").index(index), container);
    }
}

struct Desk<'a> {
    pod: &'a Pod,
    findings: &'a mut Findings,
}

impl Desk<'_> {
    /// A field that is not enforced: the pod does not start with it.
    fn refuse(&mut self, at: &FieldPath, name: &str, is_set: bool, why: &str) {
        if is_set {
            let place = self.pod.place(&at.child(name));
            self.findings.refuse(Reason::NotEnforced, place, format!("`{name}` {why}"));
        }
    }

    /// A field that confines nothing and has no effect here.
    fn warn(&mut self, at: &FieldPath, name: &str, is_set: bool, why: &str) {
        if is_set {
            let origin = Origin::Declared(self.pod.place(&at.child(name)));
            self.findings.warn(origin, format!("`{name}` {why}"));
        }
    }
}

fn pod_fields(desk: &mut Desk<'_>, at: &FieldPath, spec: &k8s::PodSpec) {
    let k8s::PodSpec {
        active_deadline_seconds,
        affinity: _,
        automount_service_account_token: _,
        containers: _,
        dns_config,
        dns_policy: _,
        enable_service_links: _,
        ephemeral_containers,
        eviction_responders: _,
        host_aliases: _,
        host_ipc: _,
        host_network: _,
        host_pid: _,
        host_users,
        hostname: _,
        hostname_override,
        image_pull_secrets,
        init_containers: _,
        node_name: _,
        node_selector: _,
        os,
        overhead: _,
        preemption_policy: _,
        priority: _,
        priority_class_name: _,
        readiness_gates: _,
        resource_claims,
        resources,
        restart_policy: _,
        runtime_class_name,
        scheduler_name: _,
        scheduling_gates: _,
        scheduling_group: _,
        security_context: _,
        service_account: _,
        service_account_name: _,
        set_hostname_as_fqdn,
        share_process_namespace,
        subdomain: _,
        termination_grace_period_seconds: _,
        tolerations: _,
        topology_spread_constraints: _,
        // Kinds that this build does not mount are refused where volumes are resolved.
        volumes: _,
    } = spec;

    desk.refuse(at, "hostUsers", *host_users == Some(false), "false is not enforced by this build");
    desk.refuse(
        at,
        "shareProcessNamespace",
        *share_process_namespace == Some(true),
        "is not enforced by this build",
    );
    let ephemeral = ephemeral_containers.as_ref().is_some_and(|it| !it.is_empty());
    desk.refuse(at, "ephemeralContainers", ephemeral, "cannot be set on create");
    let claims = resource_claims.as_ref().is_some_and(|it| !it.is_empty());
    desk.refuse(at, "resourceClaims", claims, "are not honoured by this build");
    desk.refuse(
        at,
        "resources",
        resources.is_some(),
        "of a pod are not enforced by this build; set them on its containers",
    );
    desk.refuse(
        at,
        "runtimeClassName",
        runtime_class_name.is_some(),
        "names another runtime; remove it to run the pod here",
    );
    desk.refuse(
        at,
        "setHostnameAsFQDN",
        *set_hostname_as_fqdn == Some(true),
        "is not enforced by this build",
    );
    desk.refuse(
        at,
        "hostnameOverride",
        hostname_override.is_some(),
        "is not enforced by this build",
    );
    let foreign = os.as_ref().is_some_and(|it| it.name != "linux");
    desk.refuse(at, "os", foreign, "is not Linux");
    desk.refuse(
        at,
        "activeDeadlineSeconds",
        active_deadline_seconds.is_some(),
        "is not enforced by this build",
    );
    desk.warn(
        at,
        "dnsConfig",
        dns_config.is_some(),
        "has no effect: the host's /etc/resolv.conf is used",
    );
    let secrets = image_pull_secrets.as_ref().is_some_and(|it| !it.is_empty());
    desk.warn(
        at,
        "imagePullSecrets",
        secrets,
        "are not read: pulls use Docker's own configuration",
    );
}

fn pod_security_fields(desk: &mut Desk<'_>, at: &FieldPath, context: &k8s::PodSecurityContext) {
    let k8s::PodSecurityContext {
        app_armor_profile: _,
        fs_group: _,
        // Every volume whose owner could change is new when the pod starts.
        fs_group_change_policy: _,
        run_as_group: _,
        run_as_non_root: _,
        run_as_user: _,
        se_linux_change_policy,
        // Refused by its own mechanism, at the container that it would hold for.
        se_linux_options: _,
        seccomp_profile: _,
        supplemental_groups: _,
        supplemental_groups_policy: _,
        sysctls: _,
        windows_options,
    } = context;
    desk.refuse(
        at,
        "seLinuxChangePolicy",
        se_linux_change_policy.is_some(),
        "is not enforced by this build",
    );
    desk.refuse(at, "windowsOptions", windows_options.is_some(), "are for Windows");
}

fn container_fields(desk: &mut Desk<'_>, at: &FieldPath, container: &k8s::Container) {
    let k8s::Container {
        args: _,
        command: _,
        // Sources that this build does not read are refused where variables are resolved.
        env: _,
        env_from: _,
        image: _,
        image_pull_policy: _,
        lifecycle: _,
        liveness_probe: _,
        name: _,
        ports,
        readiness_probe: _,
        resize_policy: _,
        // Refused by name, one by one, in the mechanism of limits.
        resources: _,
        restart_policy: _,
        restart_policy_rules: _,
        security_context,
        startup_probe: _,
        stdin: _,
        stdin_once: _,
        termination_message_path: _,
        termination_message_policy: _,
        tty: _,
        volume_devices,
        volume_mounts: _,
        working_dir: _,
    } = container;
    let devices = volume_devices.as_ref().is_some_and(|it| !it.is_empty());
    desk.refuse(at, "volumeDevices", devices, "are not enforced by this build");
    for (index, port) in ports.iter().flatten().enumerate() {
        let at = at.child("ports").index(index);
        let mapped = port.host_port.is_some_and(|it| it != 0);
        desk.warn(&at, "hostPort", mapped, "has no effect: the pod's network is not connected");
    }
    if let Some(context) = security_context {
        container_security_fields(desk, &at.child("securityContext"), context);
    }
}

/// What an API server does not take from an init container that is no sidecar: it would have ended
/// before anybody could ask.
fn init_container_fields(desk: &mut Desk<'_>, at: &FieldPath, container: &k8s::Container) {
    for (name, is_set) in [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ] {
        if is_set {
            let why = "may not be set for init containers without restartPolicy=Always";
            let place = desk.pod.place(&at.child(name));
            desk.findings.refuse(Reason::CreateContainerConfigError, place, why);
        }
    }
}

fn container_security_fields(desk: &mut Desk<'_>, at: &FieldPath, context: &k8s::SecurityContext) {
    let k8s::SecurityContext {
        allow_privilege_escalation: _,
        app_armor_profile: _,
        capabilities: _,
        privileged: _,
        // `Unmasked` is refused by its own mechanism.
        proc_mount: _,
        read_only_root_filesystem: _,
        run_as_group: _,
        run_as_non_root: _,
        run_as_user: _,
        se_linux_options: _,
        seccomp_profile: _,
        windows_options,
    } = context;
    desk.refuse(at, "windowsOptions", windows_options.is_some(), "are for Windows");
}
