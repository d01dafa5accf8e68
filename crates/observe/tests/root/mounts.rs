//! The root file system and the paths that are guarded.

use std::fs;

use rustix::fs::{Mode, mkdir};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};
use rustix::process::chroot;
use stockade_abi::facts::{MountAccess, PathAccess, Questions};
use stockade_abi::{NamespaceKind, Reading};

use crate::specimen::Specimen;
use crate::{Needs, Test};

pub(crate) const ALL: &[Test] = &[
    ("guarded_paths_are_seen_as_they_are", Needs::Nothing, guarded),
    ("what_is_taken_away_behind_our_back_shows_up", Needs::Nothing, weakened),
    ("what_only_looks_like_a_mask_is_none", Needs::Nothing, imitations),
    ("a_procfs_below_a_read_only_one_pierces_it", Needs::Nothing, pierced),
    ("the_mount_on_top_counts", Needs::Nothing, overmounted),
    ("a_mount_is_seen_where_it_begins", Needs::Nothing, begins),
];

fn guarded() {
    let specimen = Specimen::new(&[NamespaceKind::Mount], || {
        confine();
        remount_read_only("/");
    });
    check(
        &specimen,
        MountAccess::ReadOnly,
        &[
            ("/", PathAccess::ReadOnly),
            ("/plain", PathAccess::ReadOnly),
            ("/proc", PathAccess::Writable),
            ("/proc/version", PathAccess::Writable),
            ("/proc/keys", PathAccess::Masked),
            ("/proc/keys/", PathAccess::Masked),
            ("/proc/irq", PathAccess::Masked),
            ("/proc/sys", PathAccess::ReadOnly),
            ("/proc/sys/kernel/core_pattern", PathAccess::ReadOnly),
            ("/proc/no_such_file", PathAccess::Absent),
            ("/proc/no/such/file", PathAccess::Absent),
            ("/no_such_file", PathAccess::Absent),
            ("/link", PathAccess::Masked),
        ],
    );
    let facts = specimen.answer(&questions(&["/proc/self/status", "/dangling"]));
    for path in ["/proc/self/status", "/dangling"] {
        assert_eq!(facts.paths[path].known(), None, "{path}");
    }
}

fn weakened() {
    let steps: [&dyn Fn(); 4] = [
        &confine,
        &|| unmount("/proc/keys", UnmountFlags::DETACH).unwrap(),
        &|| mount_remount("/proc/sys", MountFlags::BIND, "").unwrap(),
        &|| unmount("/proc/irq", UnmountFlags::DETACH).unwrap(),
    ];
    let mut specimen = Specimen::stepwise(&[NamespaceKind::Mount], &steps);
    use PathAccess::{Masked, ReadOnly, Writable};
    for (keys, sys, irq) in [
        (Masked, ReadOnly, Masked),
        (Writable, ReadOnly, Masked),
        (Writable, Writable, Masked),
        (Writable, Writable, Writable),
    ] {
        specimen.go_on();
        let expected = [("/proc/keys", keys), ("/proc/sys", sys), ("/proc/irq", irq)];
        check(&specimen, MountAccess::ReadWrite, &expected);
    }
}

fn imitations() {
    let specimen = Specimen::new(&[NamespaceKind::Mount], || {
        enter_new_root();
        for (name, flags, full) in [
            ("/empty-rw", MountFlags::empty(), false),
            ("/full-ro", MountFlags::RDONLY, true),
            ("/empty-ro", MountFlags::RDONLY, false),
        ] {
            mkdir(name, Mode::RWXU).unwrap();
            mount("mask", name, "tmpfs", MountFlags::empty(), None).unwrap();
            if full {
                fs::write(format!("{name}/file"), "x").unwrap();
            }
            mount_remount(name, flags, "").unwrap();
        }
        // A file that is called null; the null device itself, which nobody put there as a mask;
        // and another device.
        fs::write("/null", "").unwrap();
        fs::write("/masked-by-file", "").unwrap();
        mount_bind("/null", "/masked-by-file").unwrap();
        node("/dev-null", 3);
        node("/zero", 5);
        fs::write("/masked-by-zero", "").unwrap();
        mount_bind("/zero", "/masked-by-zero").unwrap();
        fs::write("/masked", "").unwrap();
        mount_bind("/dev-null", "/masked").unwrap();
    });
    check(
        &specimen,
        MountAccess::ReadWrite,
        &[
            ("/empty-rw", PathAccess::Writable),
            ("/full-ro", PathAccess::ReadOnly),
            ("/empty-ro", PathAccess::Masked),
            ("/masked-by-file", PathAccess::Writable),
            ("/masked-by-zero", PathAccess::Writable),
            ("/dev-null", PathAccess::Writable),
            ("/masked", PathAccess::Masked),
        ],
    );
}

fn pierced() {
    let pierce = || {
        mount("proc", "/proc/sys/kernel", "proc", MountFlags::empty(), None).unwrap();
    };
    let mut specimen = Specimen::stepwise(&[NamespaceKind::Mount], &[&confine, &pierce]);
    for expected in [PathAccess::ReadOnly, PathAccess::Writable] {
        specimen.go_on();
        check(&specimen, MountAccess::ReadWrite, &[("/proc/sys", expected)]);
    }
}

fn overmounted() {
    let steps: [&dyn Fn(); 3] = [
        &confine,
        // Over the mask, and over a whole guarded procfs.
        &|| mount("over", "/proc/irq", "tmpfs", MountFlags::empty(), None).unwrap(),
        &|| mount("proc", "/proc", "proc", MountFlags::empty(), None).unwrap(),
    ];
    let mut specimen = Specimen::stepwise(&[NamespaceKind::Mount], &steps);
    use PathAccess::{Masked, ReadOnly, Writable};
    for (irq, sys) in [(Masked, ReadOnly), (Writable, ReadOnly), (Writable, Writable)] {
        specimen.go_on();
        let expected = [("/proc/irq", irq), ("/proc/sys", sys)];
        check(&specimen, MountAccess::ReadWrite, &expected);
    }
}

/// A root of one's own with a procfs that is guarded like a container's.
fn confine() {
    enter_new_root();
    mkdir("/plain", Mode::RWXU).unwrap();
    std::os::unix::fs::symlink("/proc/keys", "/link").unwrap();
    std::os::unix::fs::symlink("/nowhere", "/dangling").unwrap();
    node("/null-device", 3);
    mount_bind("/null-device", "/proc/keys").unwrap();
    mount("mask", "/proc/irq", "tmpfs", MountFlags::RDONLY, None).unwrap();
    mount_bind("/proc/sys", "/proc/sys").unwrap();
    remount_read_only("/proc/sys");
}

fn begins() {
    let specimen = Specimen::new(&[NamespaceKind::Mount], || {
        enter_new_root();
        for path in ["/v", "/file", "/v/plain"] {
            mkdir(path, Mode::RWXU).unwrap();
        }
        std::os::unix::fs::symlink("/v", "/link").unwrap();
        mount("v", "/v", "tmpfs", MountFlags::empty(), None).unwrap();
        for path in ["/v/open", "/v/closed", "/v/hidden"] {
            mkdir(path, Mode::RWXU).unwrap();
        }
        mount("o", "/v/open", "tmpfs", MountFlags::empty(), None).unwrap();
        mount("c", "/v/closed", "tmpfs", MountFlags::RDONLY, None).unwrap();
        mount("h", "/v/hidden", "tmpfs", MountFlags::empty(), None).unwrap();
        mount("h", "/v/hidden", "tmpfs", MountFlags::RDONLY, None).unwrap();
        remount_read_only("/v");
        fs::write("/plain", "").unwrap();
        mount_bind("/plain", "/proc/version").unwrap();
    });
    let asked = ["/v", "/link", "/v/open", "/v/plain", "/file", "/none", "/proc/version"];
    let mounts = asked.iter().map(ToString::to_string).collect();
    let facts = specimen.answer(&Questions { mounts, ..Questions::default() });
    let shown = |path: &str| match &facts.mounts[path] {
        Reading::Unreadable(why) => format!("unreadable: {why}"),
        Reading::Known(None) => "none".to_owned(),
        Reading::Known(Some(it)) => {
            let below = it.writable_below.known().map(|it| it.join(" ")).unwrap_or_default();
            let kind = it.file_system.known().cloned().unwrap_or_default();
            format!("{kind} {:?} [{below}]", it.access)
        }
    };
    for (path, expected) in [
        ("/v", "tmpfs ReadOnly [/v/open]"),
        ("/link", "tmpfs ReadOnly [/link/open]"),
        ("/v/open", "tmpfs ReadWrite []"),
        ("/v/plain", "none"),
        ("/file", "none"),
        ("/none", "none"),
        ("/proc/version", "tmpfs ReadWrite []"),
    ] {
        assert_eq!(shown(path), expected, "{path}");
    }
}

/// Becomes a process whose root is a fresh tmpfs with a fresh procfs.
pub(crate) fn enter_new_root() {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
    mount("root", "/mnt", "tmpfs", MountFlags::empty(), None).unwrap();
    mkdir("/mnt/proc", Mode::RWXU).unwrap();
    mount("proc", "/mnt/proc", "proc", MountFlags::empty(), None).unwrap();
    chroot("/mnt").unwrap();
    rustix::process::chdir("/").unwrap();
}

fn remount_read_only(path: &str) {
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
}

fn node(path: &str, minor: u32) {
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, Mode::RUSR | Mode::WUSR);
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, rustix::fs::makedev(1, minor)).unwrap();
}

pub(crate) fn questions(paths: &[&str]) -> Questions {
    Questions { paths: paths.iter().map(ToString::to_string).collect(), ..Questions::default() }
}

#[track_caller]
fn check(specimen: &Specimen, root: MountAccess, expected: &[(&str, PathAccess)]) {
    let paths: Vec<_> = expected.iter().map(|(path, _)| *path).collect();
    let facts = specimen.answer(&questions(&paths));
    assert_eq!(facts.root, Reading::Known(root));
    for (path, access) in expected {
        assert_eq!(facts.paths[*path], Reading::Known(*access), "{path}");
    }
}
