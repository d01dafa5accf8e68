//! A process that was started as declared, and weakened while it runs.

use std::fs;
use std::process::Command;

use stockade_confine::Mechanism;

use crate::Test;
use crate::stand::{Stand, Standing, not_ok};
use crate::weakened::{ROOT, USER};

pub(crate) const ALL: &[Test] = &[
    ("a_limit_raised_meanwhile", a_limit_raised_meanwhile),
    ("a_device_allowed_meanwhile", a_device_allowed_meanwhile),
    ("a_root_remounted_meanwhile", a_root_remounted_meanwhile),
    ("a_mask_taken_away_meanwhile", a_mask_taken_away_meanwhile),
    ("a_sysctl_written_meanwhile", a_sysctl_written_meanwhile),
];

fn a_limit_raised_meanwhile() {
    weakened(ROOT, (Mechanism::Limits, "the limit of memory"), |stand, _| {
        let file = stand.cgroup_file("memory", "memory.limit_in_bytes", "memory.max");
        fs::write(file, (128 << 20).to_string()).unwrap();
    });
}

fn a_device_allowed_meanwhile() {
    if !stockade_observe::host().unwrap().cgroups.v1.contains_key("devices") {
        // On v2 the rules are a program, which cannot be added to.
        return;
    }
    weakened(ROOT, (Mechanism::Devices, "c 1:1 r"), |stand, _| {
        fs::write(stand.cgroup_file("devices", "devices.allow", ""), "c 1:1 r").unwrap();
    });
}

fn a_root_remounted_meanwhile() {
    weakened(USER, (Mechanism::Root, "can be written"), |_, pid| {
        inside(pid, &["--mount", "--pid"], &["/bin/mount", "-o", "remount,bind,rw", "/"]);
    });
}

fn a_mask_taken_away_meanwhile() {
    weakened(USER, (Mechanism::Paths, "/proc/keys is writable"), |_, pid| {
        inside(pid, &["--mount", "--pid"], &["/bin/umount", "/proc/keys"]);
    });
}

fn a_sysctl_written_meanwhile() {
    let name = "net.ipv4.ip_unprivileged_port_start".to_owned();
    weakened(USER, (Mechanism::Sysctl(name), "declared `81`"), |_, pid| {
        let write = "echo 80 > /proc/sys/net/ipv4/ip_unprivileged_port_start";
        inside(pid, &["--net"], &["/bin/sh", "-c", write]);
    });
}

/// Starts what `manifest` declares, lets it run, weakens it and looks again. A filter cannot be read
/// of a process that runs: that it is there is all that is said of it.
#[track_caller]
fn weakened(manifest: &str, red: (Mechanism, &str), weaken: impl Fn(&Stand, i32)) {
    let stand = Stand::new(manifest);
    let standing = stand.start(stand.plans());
    assert_eq!(not_ok(&stand.judge(standing.held.pid(), Some(&standing.held))), []);
    let Standing { held, .. } = standing;
    let running = held.release().unwrap();

    let seen = || {
        let mut all = not_ok(&stand.judge(running.pid, None));
        all.retain(|it| (&it.0, &*it.1) != (&Mechanism::Seccomp, "not proven"));
        all
    };
    assert_eq!(seen(), [], "before");
    weaken(&stand, running.pid);
    let after = seen();
    let [(mechanism, word, detail)] = &*after else { panic!("{red:?}: {after:?}") };
    assert_eq!((mechanism, &**word), (&red.0, "WEAKER"));
    assert!(detail.contains(red.1), "{detail}");

    rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).unwrap();
    let id = rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&running.pidfd));
    rustix::process::waitid(id, rustix::process::WaitIdOptions::EXITED).unwrap();
    stand.clean_up();
}

/// Does something in namespaces of a process, with all the rights of the host's root.
#[track_caller]
fn inside(pid: i32, namespaces: &[&str], command: &[&str]) {
    let target = format!("--target={pid}");
    let status = Command::new("nsenter").arg(target).args(namespaces).args(command).status();
    assert!(status.unwrap().success(), "{command:?}");
}
