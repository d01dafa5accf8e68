//! Processes that do what they can to confuse or to stop whoever looks.

use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, mkdir, open};
use rustix::mount::{MountFlags, mount, mount_bind};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_name, set_thread_groups};
use stockade_abi::facts::{PathAccess, Questions};
use stockade_abi::{ContainerUid, NamespaceKind, Reading};
use stockade_observe::{Gone, process};

use crate::mounts::{enter_new_root, questions};
use crate::specimen::Specimen;
use crate::{Needs, Test};

pub(crate) const ALL: &[Test] = &[
    ("names_cannot_become_facts", Needs::Nothing, names),
    ("the_longest_list_of_groups_is_read", Needs::Nothing, groups),
    ("mount_points_cannot_become_lines", Needs::Nothing, mount_points),
    ("a_file_system_that_never_answers_stops_nobody", Needs::Fuse, silent_server),
    ("a_process_that_is_killed_meanwhile_is_gone", Needs::Nothing, killed),
];

fn names() {
    let specimen = Specimen::new(&[], || {
        set_name(c"x\nUid:\t9\t9").unwrap();
        let uid = Some(Uid::from_raw(1234));
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
    });
    let identity = specimen.facts().identity;
    assert_eq!(identity.known().unwrap().uid, [1234; 4].map(ContainerUid));
}

fn groups() {
    let specimen = Specimen::new(&[], || {
        let most: Vec<_> = (0..65_536).map(|it| Gid::from_raw(4_000_000_000 + it)).collect();
        set_thread_groups(&most).unwrap();
    });
    assert_eq!(specimen.facts().identity.known().unwrap().groups.len(), 65_536);
}

fn mount_points() {
    let liar = "/a\n1 1 0:1 / /proc/keys ro - tmpfs x ro";
    let specimen = Specimen::new(&[NamespaceKind::Mount], || {
        enter_new_root();
        let below = format!("{liar}/b \\040");
        std::fs::create_dir_all(&below).unwrap();
        mount(liar, below.as_str(), "tmpfs", MountFlags::empty(), None).unwrap();
        mount_bind(below.as_str(), below.as_str()).unwrap();
    });
    let below = format!("{liar}/b \\040");
    let facts = specimen.answer(&questions(&["/proc/keys", &below]));
    assert_eq!(facts.paths["/proc/keys"], Reading::Known(PathAccess::Writable));
    assert_eq!(facts.paths[&below], Reading::Known(PathAccess::Writable));
}

fn silent_server() {
    let specimen = Specimen::new(&[NamespaceKind::Mount], || {
        enter_new_root();
        mkdir("/silent", Mode::RWXU).unwrap();
        node_fuse("/fuse");
        let server = open("/fuse", OFlags::RDWR, Mode::empty()).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&server);
        let options = format!("fd={number},rootmode=40000,user_id=0,group_id=0");
        let options = std::ffi::CString::new(options).unwrap();
        mount("silent", "/silent", "fuse", MountFlags::empty(), options.as_c_str()).unwrap();
        // Stays open until the process ends, which ends the file system.
        std::mem::forget(server);
    });
    let start = Instant::now();
    let facts = specimen.answer(&questions(&["/silent", "/silent/file", "/proc/keys"]));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(facts.paths["/silent"], Reading::Known(PathAccess::Writable));
    assert_eq!(facts.paths["/silent/file"].known(), None);
    assert_eq!(facts.paths["/proc/keys"], Reading::Known(PathAccess::Writable));
}

fn killed() {
    let specimen = Specimen::new(&[], || {});
    let pid = specimen.pid;
    drop(specimen);
    assert_eq!(process(pid, &Questions::default()), Err(Gone { pid }));
}

fn node_fuse(path: &str) {
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, Mode::RUSR | Mode::WUSR);
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, rustix::fs::makedev(10, 229)).unwrap();
}
