//! Ids, capabilities, `no_new_privs`, seccomp, namespaces.

use std::fs;
use std::time::Duration;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet as Sets, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use stockade_abi::bpf::{Instruction, Program};
use stockade_abi::facts::{NoNewPrivs, Questions, SeccompMode};
use stockade_abi::{
    Capability, CapabilitySet, ContainerGid, ContainerUid, NamespaceKind, NamespaceSet, Reading,
};
use stockade_observe::process_with_filters;
use stockade_sys::ptrace::{Awaited, Purpose, Tracee};
use stockade_sys::seccomp::{self, LoadFlags};

use crate::specimen::Specimen;
use crate::{Needs, Test};

pub(crate) const ALL: &[Test] = &[
    ("each_kind_of_namespace_is_told_apart", Needs::Nothing, kinds),
    ("ids_are_those_that_were_set", Needs::Nothing, ids),
    ("ids_are_seen_from_inside_a_user_namespace", Needs::Nothing, mapped),
    ("an_id_outside_the_map_is_unreadable", Needs::Nothing, unmapped),
    ("the_five_sets_are_what_is_left", Needs::Nothing, capabilities),
    ("a_bit_that_is_set_later_shows_up", Needs::Nothing, no_new_privs),
    ("filters_are_counted_and_taken_from_who_read_them", Needs::Nothing, filters),
];

fn kinds() {
    for kind in NamespaceKind::ALL {
        let specimen = Specimen::new(&[kind], || {});
        let expected = NamespaceSet::EMPTY.with(kind);
        assert_eq!(specimen.facts().namespaces, Reading::Known(expected), "{kind}");
    }
    let all: NamespaceSet = NamespaceKind::ALL.into_iter().collect();
    let specimen = Specimen::new(&NamespaceKind::ALL, || {});
    assert_eq!(specimen.facts().namespaces, Reading::Known(all));
}

fn ids() {
    let specimen = Specimen::new(&[], || become_user(1000, [1001, 1002, 1003], &[7, 5, 7]));
    let identity = specimen.facts().identity;
    let identity = identity.known().unwrap();
    assert_eq!(identity.uid, [1000, 1000, 1000, 1000].map(ContainerUid));
    assert_eq!(identity.gid, [1001, 1002, 1003, 1002].map(ContainerGid));
    assert_eq!(identity.groups, [5, 7].map(ContainerGid));
    assert_eq!(identity.uid_map, None);
}

fn mapped() {
    let prepare = || become_user(5, [6, 6, 6], &[3, 999]);
    let mut specimen = Specimen::stepwise(&[NamespaceKind::User], &[&prepare]);
    map(&specimen, "0 100000 1000", "0 200000 500\n500 5000 500");
    specimen.go_on();
    let identity = specimen.facts().identity;
    let identity = identity.known().unwrap();
    assert_eq!(identity.uid, [5; 4].map(ContainerUid));
    assert_eq!(identity.gid, [6; 4].map(ContainerGid));
    assert_eq!(identity.groups, [3, 999].map(ContainerGid));
    assert_eq!(identity.uid_map.as_ref().unwrap().to_string(), "0 100000 1000");
    assert_eq!(identity.gid_map.as_ref().unwrap().to_string(), "0 200000 500, 500 5000 500");
}

fn unmapped() {
    // The host's root, in a user namespace that has no name for it.
    let specimen = Specimen::new(&[NamespaceKind::User], || {});
    map(&specimen, "0 100000 1000", "0 100000 1000");
    let facts = specimen.facts();
    assert!(matches!(&facts.identity, Reading::Unreadable(why) if why.0.contains("not mapped")));
    assert!(facts.capabilities.known().is_some());
}

fn capabilities() {
    let specimen = Specimen::new(&[], || {
        for gone in [Capability::SysModule, Capability::SysBoot] {
            remove_capability_from_bounding_set(number(gone)).unwrap();
        }
        set_keep_capabilities(true).unwrap();
        become_user(1000, [1000; 3], &[]);
        set_capabilities(
            None,
            CapabilitySets {
                effective: number(Capability::Chown),
                permitted: number(Capability::Chown) | number(Capability::Kill),
                inheritable: number(Capability::Kill),
            },
        )
        .unwrap();
        rustix::thread::configure_capability_in_ambient_set(number(Capability::Kill), true)
            .unwrap();
    });
    let facts = specimen.facts();
    let sets = facts.capabilities.known().unwrap();
    let set = |all: &[Capability]| all.iter().copied().collect::<CapabilitySet>();
    assert_eq!(sets.effective, set(&[Capability::Chown]));
    assert_eq!(sets.permitted, set(&[Capability::Chown, Capability::Kill]));
    assert_eq!(sets.inheritable, set(&[Capability::Kill]));
    assert_eq!(sets.ambient, set(&[Capability::Kill]));
    assert!(!sets.bounding.contains(Capability::SysModule));
    assert!(!sets.bounding.contains(Capability::SysBoot));
    assert!(sets.bounding.contains(Capability::Chown));
}

fn no_new_privs() {
    let (idle, set) = (|| {}, || set_no_new_privs(true).unwrap());
    let mut specimen = Specimen::stepwise(&[], &[&idle, &set]);
    specimen.go_on();
    assert_eq!(specimen.facts().no_new_privs, Reading::Known(NoNewPrivs::Unset));
    specimen.go_on();
    assert_eq!(specimen.facts().no_new_privs, Reading::Known(NoNewPrivs::Set));
}

fn filters() {
    // `ret ALLOW`, and the same with another constant before it, to tell the two apart.
    let allow = |noise| {
        let load = Instruction { code: 0, jt: 0, jf: 0, k: noise };
        let ret = Instruction { code: 6, jt: 0, jf: 0, k: 0x7fff_0000 };
        Program::new(vec![load, ret]).unwrap()
    };
    let specimen = Specimen::new(&[], || {
        let bit = seccomp::NoNewPrivs::set().unwrap();
        for noise in [1, 2] {
            seccomp::load(&allow(noise), LoadFlags::NONE, (&bit).into()).unwrap();
        }
    });
    let facts = specimen.facts();
    let seen = facts.seccomp.known().unwrap();
    assert_eq!((seen.mode, seen.count), (SeccompMode::Filter, 2));
    assert_eq!(seen.filters.known(), None);

    let pid = rustix::process::Pid::from_raw(specimen.pid.cast_signed()).unwrap();
    let tracee = Tracee::seize(pid, Purpose::Look).unwrap();
    let Awaited::Stopped(stopped) = tracee.interrupt(Duration::from_secs(5)).unwrap() else {
        panic!("the specimen did not stop");
    };
    let programs = stopped.filters().unwrap();
    let seen = |programs: Vec<Program>| {
        let questions = Questions::default();
        let facts = process_with_filters(specimen.pid, &questions, Reading::Known(programs));
        facts.unwrap().seccomp.known().unwrap().filters.clone()
    };
    assert_eq!(seen(programs.clone()), Reading::Known(vec![allow(1), allow(2)]));
    assert_eq!(seen(programs[..1].to_vec()).known(), None);
    stopped.release().unwrap();
}

fn become_user(uid: u32, [real, effective, saved]: [u32; 3], groups: &[u32]) {
    let gid = |it| Some(Gid::from_raw(it));
    let uid = Some(Uid::from_raw(uid));
    set_thread_groups(&groups.iter().map(|it| Gid::from_raw(*it)).collect::<Vec<_>>()).unwrap();
    set_thread_res_gid(gid(real), gid(effective), gid(saved)).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
}

fn map(specimen: &Specimen, uids: &str, gids: &str) {
    fs::write(format!("/proc/{}/uid_map", specimen.pid), uids).unwrap();
    fs::write(format!("/proc/{}/gid_map", specimen.pid), gids).unwrap();
}

fn number(capability: Capability) -> Sets {
    Sets::from_bits_retain(1 << capability.number())
}
