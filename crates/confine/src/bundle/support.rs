//! Every field of a bundle, and what this build does with it.
//!
//! Taken apart without `..`, as for pods: a field that is added to the language does not compile
//! until somebody has decided what becomes of it.

use stockade_spec::bundle::{self as oci, PersonalityDomain};

use super::Desk;
use crate::Origin;

/// Refuses what is set and not done.
pub(super) fn examine(desk: &mut Desk<'_>) {
    let oci::Config {
        oci_version: _,
        root: _,
        process,
        hostname: _,
        domainname: _,
        mounts: _,
        hooks,
        // Anything the caller wants to remember: they choose nothing (CVE-2024-3154).
        annotations: _,
        linux: _,
    } = &desk.bundle.config;
    if let Some(hooks) = hooks {
        examine_hooks(desk, hooks);
    }
    if let Some(process) = process {
        examine_process(desk, process);
    }
    examine_linux(desk);
}

fn refuse(desk: &mut Desk<'_>, path: &str, is_set: bool) {
    if is_set {
        let name = path.rsplit('.').next().unwrap_or(path);
        desk.unenforced(path, format!("`{name}` is not enforced by this build"));
    }
}

fn examine_hooks(desk: &mut Desk<'_>, hooks: &oci::Hooks) {
    let oci::Hooks {
        prestart,
        create_runtime,
        create_container,
        start_container,
        poststart,
        poststop,
    } = hooks;
    for (name, list) in [
        ("prestart", prestart),
        ("createRuntime", create_runtime),
        ("createContainer", create_container),
        ("startContainer", start_container),
        ("poststart", poststart),
        ("poststop", poststop),
    ] {
        if !list.is_empty() {
            desk.unenforced(&format!("hooks.{name}"), "hooks are not run by this build");
        }
    }
}

fn examine_process(desk: &mut Desk<'_>, process: &oci::Process) {
    let oci::Process {
        terminal: _,
        console_size,
        user: _,
        args: _,
        env: _,
        cwd: _,
        capabilities: _,
        rlimits: _,
        no_new_privileges: _,
        apparmor_profile: _,
        selinux_label: _,
        oom_score_adj: _,
        scheduler,
        io_priority,
        exec_cpu_affinity,
    } = process;
    refuse(desk, "process.scheduler", scheduler.is_some());
    refuse(desk, "process.ioPriority", io_priority.is_some());
    refuse(desk, "process.execCPUAffinity", exec_cpu_affinity.is_some());
    if console_size.is_some() {
        let origin = desk.origin("process.consoleSize");
        desk.findings.warn(origin, "has no effect: who holds the terminal sets its size");
    }
}

fn examine_linux(desk: &mut Desk<'_>) {
    let oci::Linux {
        namespaces: _,
        uid_mappings: _,
        gid_mappings: _,
        devices: _,
        cgroups_path: _,
        resources: _,
        rootfs_propagation: _,
        seccomp: _,
        sysctl: _,
        masked_paths: _,
        readonly_paths: _,
        mount_label,
        personality,
        intel_rdt,
        time_offsets,
        net_devices,
        memory_policy,
    } = desk.linux;
    let other_personality = personality
        .as_ref()
        .is_some_and(|it| it.domain != PersonalityDomain::Linux || !it.flags.is_empty());
    refuse(desk, "linux.mountLabel", mount_label.as_ref().is_some_and(|it| !it.is_empty()));
    refuse(desk, "linux.personality", other_personality);
    refuse(desk, "linux.intelRdt", intel_rdt.is_some());
    refuse(desk, "linux.timeOffsets", !time_offsets.is_empty());
    refuse(desk, "linux.netDevices", !net_devices.is_empty());
    refuse(desk, "linux.memoryPolicy", memory_policy.is_some());
}

/// For a value that nobody declared.
pub(super) fn unsaid<T>(value: T) -> crate::Sourced<T> {
    crate::Sourced { value, origin: Origin::Default("the bundle does not say") }
}
