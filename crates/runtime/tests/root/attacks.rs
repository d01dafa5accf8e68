//! Known ways out of containers, replayed against a canary.
//!
//! The canary is a directory of the test's beside the root file system; whatever turns up in it has
//! escaped. Mounts, processes and cgroups of the host are compared after each test of this program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use stockade_abi::facts::{Device, DeviceKind};
use stockade_confine::plan::{Action, DeviceNode, NodeMaking, Stage, Terminal};
use stockade_confine::workload::MountFlags;
use stockade_runtime::create;

use crate::Test;
use crate::rig::{Draft, Rig, bind, new};

pub(crate) const ALL: &[Test] = &[
    ("mount_points_stay_inside_whatever_links_say", mount_points_stay_inside),
    ("a_dev_that_is_a_link_stays_inside", a_dev_that_is_a_link),
    ("proc_and_sys_must_be_what_they_are_called", proc_and_sys_are_no_links),
    ("nothing_goes_inside_proc", nothing_goes_inside_proc),
    ("the_null_device_is_the_hosts", the_null_device_is_the_hosts),
    ("a_node_with_a_path_that_leads_out_stays_inside", a_node_stays_inside),
    ("a_console_that_is_a_link_is_refused", a_console_that_is_a_link),
    ("a_working_directory_through_a_descriptor_is_refused", a_directory_through_a_descriptor),
    ("a_working_directory_behind_a_link_is_made_inside", a_directory_behind_a_link),
    ("read_only_paths_are_so_all_the_way_down", read_only_all_the_way_down),
    ("a_root_that_shares_events_shares_none_with_the_host", no_events_reach_the_host),
    ("mount_points_that_are_swapped_never_leave_the_root", swapped_mount_points),
];

/// CVE-2024-45310, CVE-2019-18837: targets through links and `..`.
fn mount_points_stay_inside() {
    for (link, target) in [
        (Some("ABSOLUTE"), "/lnk/sub/dir"),
        (Some("../../canary"), "/lnk/sub"),
        (Some("../canary"), "/lnk"),
        (Some("/proc/self/root/../../canary"), "/lnk/x"),
        (None, "/../../canary/dd"),
        (None, "/./x/../../../canary"),
        (None, "//canary//"),
    ] {
        let rig = Rig::new();
        let absolute = rig.canary().to_str().unwrap().to_owned();
        if let Some(link) = link {
            let link = link.replace("ABSOLUTE", &absolute);
            symlink(link, rig.rootfs().join("lnk")).unwrap();
        }
        let draft = rig.script("true").with(Stage::Mounts, new("tmpfs", target, &[]));
        // In the root or refused; never outside.
        drop(create(&draft.plan(), &rig.site()));
        assert_untouched(&rig, &format!("{link:?} {target}"));
    }
}

/// CVE-2026-41579, CVE-2026-47766: no mount at `/dev`, which the image has made a link.
fn a_dev_that_is_a_link() {
    for link in ["ABSOLUTE", "../canary", "../../../../../../CANARY"] {
        let rig = Rig::new();
        let canary = rig.canary().to_str().unwrap().to_owned();
        let link = link.replace("ABSOLUTE", &canary).replace("/CANARY", &canary);
        fs::remove_dir(rig.rootfs().join("dev")).unwrap();
        symlink(&link, rig.rootfs().join("dev")).unwrap();
        let draft = rig.script("true");
        let draft = Draft(
            draft
                .0
                .into_iter()
                .filter(|step| {
                    !matches!(&step.action, Action::Mount(it) if it.target.starts_with("/dev"))
                })
                .collect(),
        );
        drop(create(&draft.plan(), &rig.site()));
        assert_untouched(&rig, &link);
    }
}

/// CVE-2023-27561, CVE-2023-28642, CVE-2025-54867.
fn proc_and_sys_are_no_links() {
    for name in ["proc", "sys"] {
        for target in ["/evil", "evil", "/proc", "tmp"] {
            let rig = Rig::new();
            fs::create_dir(rig.rootfs().join("evil")).unwrap();
            fs::remove_dir(rig.rootfs().join(name)).unwrap();
            symlink(target, rig.rootfs().join(name)).unwrap();
            let failed = rig.fails(&rig.script("true")).to_string();
            assert!(failed.contains("ELOOP"), "{name} -> {target}: {failed}");
        }
    }
}

/// CVE-2019-16884, CVE-2019-19921, and mounts that hide or fake parts of procfs.
fn nothing_goes_inside_proc() {
    for target in
        ["/proc", "/proc/sys", "/proc/self/attr", "/proc/self", "/alias/sys", "/x/../proc"]
    {
        let rig = Rig::new();
        symlink("/proc", rig.rootfs().join("alias")).unwrap();
        let canary = rig.canary();
        let failed = rig.fails(
            &rig.script("true").with(Stage::Mounts, bind(&canary, target, MountFlags::default())),
        );
        let failed = failed.to_string();
        let is_refused = failed.contains("/proc") && !failed.contains("ENOENT");
        assert!(is_refused, "{target}: {failed}");
        assert_untouched(&rig, target);
    }
    // What only informs may be replaced.
    let rig = Rig::new();
    fs::write(rig.canary().join("info"), "told differently\n").unwrap();
    let source = rig.canary().join("info");
    let draft = rig
        .script("cat /proc/uptime")
        .with(Stage::Mounts, bind(&source, "/proc/uptime", MountFlags::default()));
    assert_eq!(rig.run(&draft).text, "told differently\n");
}

/// CVE-2025-31133: the image's `/dev/null` is a trap for whoever masks with it.
fn the_null_device_is_the_hosts() {
    let rig = Rig::new();
    let trap = rig.rootfs().join("dev/null");
    symlink("/proc/sys/kernel/hostname", &trap).unwrap();
    let draft = rig.script("cat /proc/keys; stat -c '%F %t:%T' /proc/keys");
    let draft = Draft(
        draft
            .0
            .into_iter()
            .filter(|step| {
                !matches!(&step.action, Action::Mount(it) if it.target.starts_with("/dev"))
                    && !matches!(step.action, Action::MakeDevices(_))
            })
            .collect(),
    );
    assert_eq!(rig.run(&draft).text, "character special file 1:3\n");
    // A node that is to be made there is not made through the link, nor is the link taken for it.
    let failed =
        rig.fails(&draft.with(Stage::Devices, Action::MakeDevices(vec![null("/dev/null")])));
    assert!(failed.to_string().contains("ELOOP"), "{failed}");
}

fn a_node_stays_inside() {
    let rig = Rig::new();
    let node = Action::MakeDevices(vec![null("/dev/../../../canary/dv")]);
    let draft = rig.script("ls -d /canary/dv").with(Stage::Devices, node);
    assert_eq!(rig.run(&draft).text, "/canary/dv\n");
    assert_untouched(&rig, "the node");
    for path in ["/dev/..", "/dev/x/.", "/", ""] {
        let node = Action::MakeDevices(vec![null(path)]);
        rig.fails(&rig.script("true").with(Stage::Devices, node));
    }
}

/// CVE-2026-88264.
fn a_console_that_is_a_link() {
    let rig = Rig::new();
    let canary = rig.canary();
    let draft = rig.script("true").instead(Stage::Session, Action::NewSession(Terminal::New));
    // A `/dev` of the image's, with a link of its own.
    let dev = rig.rootfs().join("dev");
    fs::create_dir(dev.join("pts")).unwrap();
    symlink(canary.join("console"), dev.join("console")).unwrap();
    let draft = Draft(
        draft
            .0
            .into_iter()
            .filter(|step| !matches!(&step.action, Action::Mount(it) if it.target == "/dev"))
            .collect(),
    );
    let failed = rig.fails(&draft).to_string();
    assert!(failed.contains("start a session with a terminal: ELOOP"), "{failed}");
    assert_untouched(&rig, "the console");
}

/// CVE-2024-21626.
fn a_directory_through_a_descriptor() {
    let rig = Rig::new();
    symlink("/proc/self/fd/7", rig.rootfs().join("seven")).unwrap();
    let canary = fs::File::open(rig.canary()).unwrap();
    let _low: Vec<_> = (0..8)
        .map(|_| {
            let copy = canary.try_clone().unwrap();
            rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
            copy
        })
        .collect();
    let paths = (3..32).map(|it| format!("/proc/self/fd/{it}"));
    for path in paths.chain(["/seven".to_owned(), "/proc/self/fd/7/../..".to_owned()]) {
        let draft = rig.script("pwd").instead(Stage::Chdir, Action::Chdir(path.clone()));
        let failed = rig.fails(&draft).to_string();
        assert!(failed.contains("change to the directory"), "{path}: {failed}");
    }
    // From the root's parent there is no further up.
    let draft = rig.script("pwd").instead(Stage::Chdir, Action::Chdir("/../../..".into()));
    assert_eq!(rig.run(&draft).text, "/\n");
}

/// GHSA-q6r4-3wmg-fwcq.
fn a_directory_behind_a_link() {
    let rig = Rig::new();
    symlink(rig.canary(), rig.rootfs().join("lnk")).unwrap();
    let draft = rig.script("pwd").instead(Stage::Chdir, Action::Chdir("/lnk/new".into()));
    let expected = format!("{}/new\n", rig.canary().display());
    assert_eq!(rig.run(&draft).text, expected);
    assert!(rig.rootfs().join(expected.trim().trim_start_matches('/')).is_dir());
    assert_untouched(&rig, "the working directory");
}

/// A mount below a read-only path stays writable where only the path is remounted.
fn read_only_all_the_way_down() {
    let rig = Rig::new();
    let draft = rig
        .script("touch /ro/x /ro/below/x 2>&1")
        .with(Stage::Mounts, new("tmpfs", "/ro", &[]))
        .with(Stage::Mounts, new("tmpfs", "/ro/below", &[]))
        .with(Stage::MaskedPaths, Action::MakeReadOnly("/ro".into()));
    let text = rig.run(&draft).text;
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
}

fn no_events_reach_the_host() {
    use stockade_confine::plan::Propagation;
    for propagation in [Propagation::Shared, Propagation::Slave, Propagation::Private] {
        let rig = Rig::new();
        let draft = rig
            .script("sed -n 's/.* \\/ rw.* - .*/&/p' /proc/self/mountinfo | head -1")
            .instead(Stage::Propagation, Action::SetPropagation(propagation));
        let text = rig.run(&draft).text;
        assert_eq!(text.contains("shared:"), propagation == Propagation::Shared, "{text}");
        assert!(!text.contains("master:"), "{text}");
    }
}

/// CVE-2021-30465: somebody who shares a volume swaps a directory of it for a link while mounts are
/// made in it.
fn swapped_mount_points() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use stockade_abi::NamespaceSet;
    use stockade_sys::process::{Birth, Born, Parent, birth, die_with_parent, exit_now};
    let rig = Rig::new();
    let volume = rig.directory.path().join("volume");
    fs::create_dir_all(volume.join("real/sub")).unwrap();
    symlink(rig.canary(), volume.join("link")).unwrap();
    let us = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    )
    .unwrap();

    let ours = Birth { flags: NamespaceSet::EMPTY, cgroup: None, parent: Parent::Caller };
    let swapper = match birth(ours).unwrap() {
        Born::Child => {
            use std::os::fd::AsFd;
            if die_with_parent(us.as_fd()).is_err() {
                exit_now(1);
            }
            let (real, link) = (volume.join("real"), volume.join("link"));
            loop {
                if renameat_with(CWD, &real, CWD, &link, RenameFlags::EXCHANGE).is_err() {
                    exit_now(1);
                }
            }
        }
        Born::Parent { pidfd, .. } => pidfd,
    };
    let mut made = 0;
    for _ in 0..60 {
        let draft = rig
            .script("true")
            .with(Stage::Mounts, bind(&volume, "/v", MountFlags::default()))
            .with(Stage::Mounts, new("tmpfs", "/v/real/sub", &[]));
        made += u32::from(create(&draft.plan(), &rig.site()).is_ok());
        assert_untouched(&rig, "while swapping");
    }
    rustix::process::pidfd_send_signal(&swapper, rustix::process::Signal::KILL).unwrap();
    crate::rig::wait(&stockade_runtime::Running { pid: 0, pidfd: swapper });
    assert!(made > 0, "not one container was made");
}

fn null(path: &str) -> DeviceNode {
    DeviceNode {
        path: path.to_owned(),
        device: Some(Device { kind: DeviceKind::Character, major: 1, minor: 3 }),
        mode: 0o666,
        uid: 0,
        gid: 0,
        made_by: NodeMaking::Mknod,
    }
}

#[track_caller]
fn assert_untouched(rig: &Rig, what: &str) {
    let found: Vec<_> = fs::read_dir(rig.canary()).unwrap().collect();
    assert!(found.is_empty(), "{what}: {found:?}");
    assert!(!Path::new("/canary").exists(), "{what}");
}
