//! What a container runs: arguments, working directory, mounts; variables are in `environment`.
//!
//! | said | meant |
//! |---|---|
//! | `command`, `args`, the image's `ENTRYPOINT`, `CMD` | `command` replaces both of the image's; `args` alone replaces `CMD` |
//! | `workingDir`, the image's `WORKDIR` | the former, else the latter, else `/` |

use std::collections::BTreeMap;

use stockade_abi::{NamespaceKind, NamespaceSet};

use crate::environment::{self, expand};
use crate::plan::Terminal;
use crate::scope::{Findings, Scope};
use crate::workload::{Mount, MountFlags, MountSource, PodFile, Recursion, Stdin, Workload};
use crate::{Origin, Reason, Sourced};

pub(crate) fn resolve(
    scope: &Scope<'_>,
    namespaces: NamespaceSet,
    hostname: &str,
    findings: &mut Findings,
) -> Workload {
    let variables = environment::resolve(scope, hostname, findings);
    let terminal = if scope.container.tty == Some(true) { Terminal::New } else { Terminal::None };
    let stdin = if scope.container.stdin == Some(true) { Stdin::Open } else { Stdin::Null };
    Workload {
        arguments: arguments(scope, &variables, findings),
        environment: variables.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        working_directory: working_directory(scope, findings),
        mounts: mounts(scope, namespaces),
        terminal,
        stdin,
        rlimits: Vec::new(),
        oom_score_adj: None,
        stop_signal: stop_signal(scope),
    }
}

fn stop_signal(scope: &Scope<'_>) -> Sourced<String> {
    let own = scope.container.lifecycle.as_ref().and_then(|it| it.stop_signal.as_ref());
    match (own, scope.image.stop_signal.as_str()) {
        (Some(name), _) => {
            let place = scope.field("lifecycle.stopSignal");
            Sourced::new(name.clone(), Origin::Declared(place))
        }
        (None, "") => Sourced::default("SIGTERM".to_owned(), "the image names no signal"),
        (None, name) => Sourced::new(name.to_owned(), image_origin(scope)),
    }
}

fn image_origin(scope: &Scope<'_>) -> Origin {
    Origin::Image(scope.image.reference.clone())
}

fn arguments(
    scope: &Scope<'_>,
    variables: &[(String, String)],
    findings: &mut Findings,
) -> Sourced<Vec<String>> {
    let command = scope.container.command.as_deref().unwrap_or_default();
    let args = scope.container.args.as_deref().unwrap_or_default();
    let known: BTreeMap<&str, &str> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let filled = |list: &[String]| list.iter().map(|it| expand(it, &known)).collect::<Vec<_>>();

    let (list, origin) = match (command.is_empty(), args.is_empty()) {
        (false, _) => {
            ([filled(command), filled(args)].concat(), Origin::Declared(scope.field("command")))
        }
        (true, false) => {
            let list = [scope.image.entrypoint.clone(), filled(args)].concat();
            (list, Origin::Declared(scope.field("args")))
        }
        (true, true) => {
            let list = [scope.image.entrypoint.clone(), scope.image.command.clone()].concat();
            (list, image_origin(scope))
        }
    };
    let nul = list.iter().any(|it| it.contains('\0'));
    if list.first().is_none_or(String::is_empty) || nul {
        let why = if nul {
            "an argument has a NUL"
        } else {
            "no command is declared, and the image has none"
        };
        findings.refuse(Reason::CreateContainerConfigError, scope.field("command"), why);
    }
    Sourced::new(list, origin)
}

fn working_directory(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<String> {
    let declared = scope.container.working_dir.as_deref().filter(|it| !it.is_empty());
    let found = match (declared, scope.image.working_directory.as_str()) {
        (Some(path), _) => {
            Sourced::new(path.to_owned(), Origin::Declared(scope.field("workingDir")))
        }
        (None, "") => Sourced::default("/".to_owned(), "neither manifest nor image names one"),
        (None, path) => Sourced::new(path.to_owned(), image_origin(scope)),
    };
    if !found.value.starts_with('/') || found.value.contains('\0') {
        let place = scope.field("workingDir");
        let why = format!("{:?} is not an absolute path", found.value);
        findings.refuse(Reason::CreateContainerConfigError, place, why);
    }
    found
}

/// The mounts that every container has.
fn mounts(scope: &Scope<'_>, namespaces: NamespaceSet) -> Vec<(Mount, Origin)> {
    let privileged = scope.is_privileged();
    let system = if privileged { Flags::Writable } else { Flags::ReadOnly };
    let rootless = namespaces.contains(NamespaceKind::User);

    let mut all = vec![
        new("/proc", "proc", &[], Flags::Writable),
        dev(),
        devpts(rootless),
        sysfs(namespaces, system),
        new("/dev/mqueue", "mqueue", &[], Flags::Writable),
    ];
    all.push(shared_memory(rootless));
    if !rootless {
        all.push(Mount {
            target: "/sys/fs/cgroup".to_owned(),
            source: MountSource::Cgroups,
            flags: flags(system),
            propagation: None,
        });
    }
    for (target, file) in [
        ("/etc/hosts", PodFile::Hosts),
        ("/etc/hostname", PodFile::Hostname),
        ("/etc/resolv.conf", PodFile::ResolvConf),
    ] {
        all.push(Mount {
            target: target.to_owned(),
            source: MountSource::PodFile(file),
            flags: MountFlags::default(),
            propagation: None,
        });
    }
    let origin = Origin::Default("every container has it");
    all.into_iter().map(|it| (it, origin.clone())).collect()
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Flags {
    Writable,
    ReadOnly,
}

fn flags(access: Flags) -> MountFlags {
    MountFlags {
        read_only: (access == Flags::ReadOnly).then_some(Recursion::All),
        no_suid: Some(Recursion::One),
        no_dev: Some(Recursion::One),
        no_exec: Some(Recursion::One),
        ..MountFlags::default()
    }
}

fn new(target: &str, kind: &str, options: &[&str], access: Flags) -> Mount {
    Mount {
        target: target.to_owned(),
        source: MountSource::New {
            kind: kind.to_owned(),
            name: kind.to_owned(),
            options: options.iter().map(ToString::to_string).collect(),
        },
        flags: flags(access),
        propagation: None,
    }
}

fn dev() -> Mount {
    Mount {
        flags: MountFlags {
            no_suid: Some(Recursion::One),
            no_exec: Some(Recursion::One),
            strict_atime: Some(Recursion::One),
            ..MountFlags::default()
        },
        ..new("/dev", "tmpfs", &["mode=755", "size=65536k"], Flags::Writable)
    }
}

fn devpts(rootless: bool) -> Mount {
    // Group 5 is tty; it does not exist where a single id is mapped.
    let options: &[&str] = if rootless {
        &["newinstance", "ptmxmode=0666", "mode=0620"]
    } else {
        &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    };
    Mount {
        flags: MountFlags {
            no_suid: Some(Recursion::One),
            no_exec: Some(Recursion::One),
            ..MountFlags::default()
        },
        ..new("/dev/pts", "devpts", options, Flags::Writable)
    }
}

/// A `sysfs` belongs to a network namespace; a user namespace can mount only its own.
fn sysfs(namespaces: NamespaceSet, access: Flags) -> Mount {
    if namespaces.contains(NamespaceKind::User) && !namespaces.contains(NamespaceKind::Net) {
        Mount {
            target: "/sys".to_owned(),
            source: MountSource::Bind { path: "/sys".to_owned(), recursion: Recursion::All },
            flags: MountFlags { read_only: Some(Recursion::All), ..flags(access) },
            propagation: None,
        }
    } else {
        new("/sys", "sysfs", &[], access)
    }
}

/// Shared by the pod's containers; an ordinary user cannot keep a mount for them, so that each has
/// its own.
fn shared_memory(rootless: bool) -> Mount {
    if rootless {
        return new("/dev/shm", "tmpfs", &["mode=1777", "size=65536k"], Flags::Writable);
    }
    Mount {
        target: "/dev/shm".to_owned(),
        source: MountSource::PodFile(PodFile::SharedMemory),
        flags: flags(Flags::Writable),
        propagation: None,
    }
}
