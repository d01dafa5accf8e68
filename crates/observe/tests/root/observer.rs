//! Who the observer is, and what a lesser one can read.

use std::fs;

use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::system::sethostname;
use rustix::thread::{
    CapabilitySets, capabilities, set_capabilities, set_thread_res_gid, set_thread_res_uid,
};
use stockade_abi::facts::Questions;
use stockade_abi::host::Privilege;
use stockade_abi::{Capability, ContainerGid, ContainerUid, NamespaceKind, Reading};
use stockade_observe::{host, process};

use crate::specimen::{Specimen, in_child};
use crate::{Needs, Test};

pub(crate) const ALL: &[Test] = &[
    ("root_may_give_what_it_has_itself", Needs::Nothing, root),
    ("root_without_its_capability_is_a_user", Needs::Nothing, powerless),
    ("a_user_finds_out_about_user_namespaces_by_trying", Needs::Nothing, user),
    ("a_setting_that_forbids_user_namespaces_is_named", Needs::Nothing, forbidden),
    ("what_a_user_may_not_read_is_unreadable", Needs::Nothing, unreadable),
    ("a_user_reads_what_runs_in_its_own_user_namespace", Needs::Nothing, own_container),
];

fn root() {
    let Privilege::Root { capabilities: most } = host().unwrap().privilege else {
        panic!("we are root");
    };
    assert!(most.contains(Capability::SysAdmin));
    assert_eq!(most.0 & !capabilities(None).unwrap().permitted.bits(), 0);
}

fn powerless() {
    in_child(&[], || {
        let ours = capabilities(None).unwrap();
        let admin = rustix::thread::CapabilitySet::SYS_ADMIN;
        let sets = CapabilitySets { effective: ours.effective - admin, ..ours };
        set_capabilities(None, sets).unwrap();
        assert!(matches!(host().unwrap().privilege, Privilege::User { uid: 0, gid: 0, .. }));
    });
}

fn user() {
    in_child(&[], || {
        become_nobody();
        let Privilege::User { uid, gid, user_namespace } = host().unwrap().privilege else {
            panic!("we are nobody");
        };
        assert_eq!((uid, gid), (65_534, 65_534));
        // The kernel's word for it, by another way than ours.
        let unshare = std::process::Command::new("/usr/bin/unshare")
            .args(["--user", "--map-root-user", "--uts", "hostname", "x"])
            .output()
            .unwrap();
        assert_eq!(user_namespace.known().is_some(), unshare.status.success(), "{unshare:?}");
    });
}

fn forbidden() {
    let mut specimen = Specimen::stepwise(
        &[NamespaceKind::User],
        &[&|| {
            let (uid, gid) = (Some(Uid::ROOT), Some(Gid::ROOT));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
            become_nobody();
            let Privilege::User { user_namespace, .. } = host().unwrap().privilege else {
                panic!("we are nobody");
            };
            let Reading::Unreadable(why) = user_namespace else { panic!("there can be none") };
            assert!(why.0.contains("clone3: ENOSPC"), "{why}");
            assert!(why.0.contains("max_user_namespaces is 0"), "{why}");
        }],
    );
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", specimen.pid), "0 100000 65536").unwrap();
    }
    specimen.go_on();
}

fn unreadable() {
    let specimen = Specimen::new(&[NamespaceKind::Net], || {});
    let pid = specimen.pid;
    in_child(&[], || {
        become_nobody();
        let questions = Questions {
            sysctls: vec!["kernel.ostype".to_owned()],
            paths: vec!["/proc/keys".to_owned()],
            mounts: vec!["/proc".to_owned()],
            devices: Vec::new(),
        };
        let facts = process(pid, &questions).unwrap();
        assert_eq!(facts.namespaces.known(), None);
        assert_eq!(facts.identity.known(), None);
        assert_eq!(facts.hostname.known(), None);
        assert_eq!(facts.sysctls["kernel.ostype"].known(), None);
        assert_eq!(facts.paths["/proc/keys"].known(), None);
        assert_eq!(facts.mounts["/proc"].known(), None);
        // Everybody may read these.
        assert!(facts.capabilities.known().is_some());
        assert!(facts.no_new_privs.known().is_some());
        assert!(facts.root.known().is_some());
    });
}

fn own_container() {
    use NamespaceKind::{Net, User, Uts};
    in_child(&[], || {
        become_nobody();
        let port = "net.ipv4.ip_unprivileged_port_start";
        let mut specimen = Specimen::stepwise(
            &[User, Net, Uts],
            &[&|| {
                sethostname(b"inside").unwrap();
                fs::write(format!("/proc/sys/{}", port.replace('.', "/")), "81").unwrap();
            }],
        );
        for (file, content) in
            [("setgroups", "deny"), ("uid_map", "0 65534 1"), ("gid_map", "0 65534 1")]
        {
            fs::write(format!("/proc/{}/{file}", specimen.pid), content).unwrap();
        }
        specimen.go_on();
        let questions = Questions { sysctls: vec![port.to_owned()], ..Questions::default() };
        let facts = specimen.answer(&questions);
        let identity = facts.identity.known().unwrap();
        assert_eq!(identity.uid, [ContainerUid(0); 4]);
        assert_eq!(identity.groups, [65_534].map(ContainerGid), "a group that is not mapped");
        assert_eq!(facts.hostname, Reading::Known("inside".to_owned()));
        assert_eq!(facts.sysctls[port], Reading::Known("81".to_owned()));
        assert!(facts.root.known().is_some());
    });
}

fn become_nobody() {
    let (uid, gid) = (Some(Uid::from_raw(65_534)), Some(Gid::from_raw(65_534)));
    rustix::thread::set_thread_groups(&[Gid::from_raw(4321)]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
    // As a program that such a user has started is.
    set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
}
