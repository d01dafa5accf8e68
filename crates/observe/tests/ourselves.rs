//! What anybody can read: this very process, and the machine it runs on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::Command;

use stockade_abi::Reading;
use stockade_abi::facts::{Device, DeviceKind, PathAccess, Questions, SeccompMode};
use stockade_abi::host::{LsmState, Privilege};
use stockade_abi::{Capability, NamespaceKind, NamespaceSet};
use stockade_observe::{Gone, host, process};

#[test]
fn we_share_all_our_namespaces_with_ourselves() {
    let facts = process(std::process::id(), &Questions::default()).unwrap();
    assert_eq!(facts.namespaces, Reading::Known(NamespaceSet::EMPTY));
    let identity = facts.identity.known().unwrap();
    assert_eq!(identity.uid[1].0, rustix::process::geteuid().as_raw());
    assert_eq!(identity.gid[1].0, rustix::process::getegid().as_raw());
    assert_eq!((&identity.uid_map, &identity.gid_map), (&None, &None));
    let name = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    assert_eq!(facts.hostname, Reading::Known(name));
    assert!(facts.root.known().is_some(), "{:?}", facts.root);
    assert!(facts.limits.known().is_some(), "{:?}", facts.limits);
    let seccomp = facts.seccomp.known().unwrap();
    if seccomp.mode == SeccompMode::Disabled {
        assert_eq!((seccomp.count, &seccomp.filters), (0, &Reading::Known(vec![])));
    }
}

#[test]
fn capabilities_are_those_that_the_kernel_counts() {
    let facts = process(std::process::id(), &Questions::default()).unwrap();
    let sets = facts.capabilities.known().unwrap();
    let ours = rustix::thread::capabilities(None).unwrap();
    assert_eq!(sets.effective.0, ours.effective.bits());
    assert_eq!(sets.permitted.0, ours.permitted.bits());
    assert_eq!(sets.inheritable.0, ours.inheritable.bits());
    assert!(sets.effective.is_subset(sets.permitted));
}

#[test]
fn every_question_has_an_answer_and_nonsense_is_unreadable() {
    let null = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
    let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let questions = Questions {
        sysctls: owned(&["kernel.ostype", "kernel.no_such_thing", "../self/status", "kernel"]),
        paths: owned(&[
            "/proc/version",
            "/no/such/path",
            "proc",
            "/proc/self/status",
            "/proc/../x",
        ]),
        mounts: owned(&["/proc", "/proc/version", "proc"]),
        devices: vec![null],
    };
    let facts = process(std::process::id(), &questions).unwrap();

    assert_eq!(facts.sysctls.len(), 4);
    assert_eq!(facts.sysctls["kernel.ostype"], Reading::Known("Linux".to_owned()));
    for name in ["kernel.no_such_thing", "../self/status", "kernel"] {
        assert_eq!(facts.sysctls[name].known(), None, "{name}");
    }

    assert_eq!(facts.paths.len(), 5);
    assert_eq!(facts.paths["/proc/version"].known(), Some(&expected_of("/proc")));
    for name in ["proc", "/proc/../x"] {
        assert_eq!(facts.paths[name].known(), None, "{name}");
    }
    assert!(matches!(facts.mounts["/proc"].known(), Some(Some(_))));
    assert_eq!(facts.mounts["/proc/version"], Reading::Known(None));
    assert_eq!(facts.mounts["proc"].known(), None);
    assert!(facts.devices.contains_key(&null));
}

#[test]
fn a_process_that_ended_is_gone() {
    let mut child = Command::new("/bin/true").spawn().unwrap();
    let pid = child.id();
    assert!(child.wait().unwrap().success());
    assert_eq!(process(pid, &Questions::default()), Err(Gone { pid }));
    assert_eq!(process(0, &Questions::default()), Err(Gone { pid: 0 }));
    assert_eq!(process(u32::MAX, &Questions::default()), Err(Gone { pid: u32::MAX }));
}

#[test]
fn the_host_is_this_machine() {
    let host = host().unwrap();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(host.kernel.release, release.trim());
    assert!(host.kernel.at_least(3, 0) && !host.kernel.at_least(99, 0));
    assert!(host.last_capability >= Capability::AuditRead.number());
    assert!(host.namespaces.contains(NamespaceKind::Mount), "{}", host.namespaces);
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert!(usize::try_from(host.last_cpu).unwrap() + 1 >= cpus);
    for (controller, mount) in &host.cgroups.v1 {
        assert!(fs::exists(mount).unwrap(), "{controller}");
    }
    if let Some(v2) = &host.cgroups.v2 {
        assert!(!v2.controllers.is_empty());
    }
    if host.apparmor.state == LsmState::Inactive {
        assert!(host.apparmor.profiles.known().unwrap().is_empty());
    }
    let is_root = rustix::process::geteuid().is_root();
    assert!(is_root || matches!(host.privilege, Privilege::User { .. }));
}

/// A machine for tests may itself be a container whose procfs is read-only.
fn expected_of(mount: &str) -> PathAccess {
    let writable = rustix::fs::statvfs(mount).unwrap().f_flag;
    if writable.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        PathAccess::ReadOnly
    } else {
        PathAccess::Writable
    }
}
