//! The processes in a cgroup: finding, killing, and removing the cgroup after them.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use stockade_abi::host::Cgroups;
use stockade_sys::{Calls, Refused};

use super::hierarchy::{open_below, read, write};
use super::{CgroupPath, Version, hierarchies};
use crate::fault::Fault;

/// The processes in a cgroup and below it, as this PID namespace numbers them. None if there is no
/// such cgroup.
///
/// # Errors
///
/// Those of reading the hierarchy, other than that it is not there.
pub fn processes(cgroups: &Cgroups, path: &CgroupPath) -> Result<Vec<i32>, Refused> {
    let mut all = Vec::new();
    for (_, directory) in directories(cgroups, path)? {
        collect(&directory, &mut all)?;
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Kills every process in a cgroup and below it, and waits until none is left.
///
/// # Errors
///
/// `EBUSY`: some are still there when the time is over. Otherwise those of the hierarchy's files.
///
/// # Kernel
///
/// `cgroup.kill` (Linux 5.14) in the unified hierarchy; elsewhere signals, until no new ones turn
/// up.
pub fn kill_all(cgroups: &Cgroups, path: &CgroupPath, at_most: Duration) -> Result<(), Refused> {
    let until = Instant::now() + at_most;
    let mut pause = Duration::from_micros(200);
    loop {
        let left = processes(cgroups, path)?;
        if left.is_empty() {
            return Ok(());
        }
        let unified = directories(cgroups, path)?.into_iter().find(|it| it.0 == Version::V2);
        if let Some((_, directory)) = unified
            && write(&directory, "cgroup.kill", "1").is_ok()
        {
            // Those that are in a v1 hierarchy only come next.
        }
        signal_each(cgroups, path, &left, Signal::KILL)?;
        if Instant::now() >= until {
            return Err(Refused::from_rustix("kill (processes remain)", Errno::BUSY));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Sends a signal to every process that is in a cgroup or below it now.
///
/// # Errors
///
/// Those of the hierarchy's files and of signals, other than that a process has ended.
pub fn signal_all(cgroups: &Cgroups, path: &CgroupPath, signal: Signal) -> Result<(), Refused> {
    signal_each(cgroups, path, &processes(cgroups, path)?, signal)
}

/// Removes a cgroup and those that its processes made below it, in every hierarchy. The processes
/// must be gone; that there is no such cgroup is no error.
///
/// # Errors
///
/// `EBUSY`: processes remain when the time is over.
pub fn remove(cgroups: &Cgroups, path: &CgroupPath, at_most: Duration) -> Result<(), Refused> {
    let until = Instant::now() + at_most;
    for hierarchy in hierarchies(cgroups) {
        let Ok(top) = hierarchy.open() else { continue };
        loop {
            match remove_tree(&top, path.as_str()) {
                Err(refused) if refused.errno == BUSY && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(refused) if refused.errno == NOENT => break,
                result => break result?,
            }
        }
    }
    Ok(())
}

/// Removes a directory of a hierarchy with those below it, the deepest first. A hierarchy has no
/// symbolic links, and its files go with their directory.
fn remove_tree(parent: &OwnedFd, path: &str) -> Result<(), Refused> {
    match unlinkat(parent, path, AtFlags::REMOVEDIR) {
        // It has directories below it, or processes.
        Err(Errno::BUSY | Errno::NOTEMPTY) => {}
        result => return result.call("rmdir(cgroup)"),
    }
    let directory = open_below(parent, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    for name in children(&directory)? {
        remove_tree(&directory, &name)?;
    }
    unlinkat(parent, path, AtFlags::REMOVEDIR).call("rmdir(cgroup)")
}

fn directories(cgroups: &Cgroups, path: &CgroupPath) -> Result<Vec<(Version, OwnedFd)>, Refused> {
    let mut found = Vec::new();
    for hierarchy in hierarchies(cgroups) {
        let top = match hierarchy.open() {
            Ok(top) => top,
            Err(Fault::Kernel(refused)) => return Err(refused),
            Err(Fault::Unsafe(_)) => continue,
        };
        match open_below(&top, path.as_str(), OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(directory) => found.push((hierarchy.version, directory)),
            Err(refused) if refused.errno == NOENT => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(found)
}

fn collect(directory: &OwnedFd, into: &mut Vec<i32>) -> Result<(), Refused> {
    match read(directory, "cgroup.procs") {
        Ok(text) => into.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
        // Removed meanwhile, or a threaded one, whose processes its parent lists.
        Err(refused) if [NODEV, NOENT, NOTSUP].contains(&refused.errno) => {}
        Err(refused) => return Err(refused),
    }
    for name in children(directory)? {
        match open_below(directory, &name, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(child) => collect(&child, into)?,
            Err(refused) if refused.errno == NOENT => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(())
}

fn children(directory: &OwnedFd) -> Result<Vec<String>, Refused> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).call("getdents64(cgroup)")? {
        let entry = entry.call("getdents64(cgroup)")?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type() == FileType::Directory && name != "." && name != ".." {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

/// Signals by pidfd, and only what is still listed after the pidfd was opened: a number that was
/// reused in between is somebody else's.
fn signal_each(
    cgroups: &Cgroups,
    path: &CgroupPath,
    listed: &[i32],
    signal: Signal,
) -> Result<(), Refused> {
    let mut held = Vec::new();
    for &pid in listed {
        // 0 is a process that this PID namespace does not see.
        let Some(pid) = Pid::from_raw(pid) else { continue };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => held.push((pid.as_raw_nonzero().get(), pidfd)),
            Err(Errno::SRCH) => {}
            Err(errno) => return Err(errno).call("pidfd_open"),
        }
    }
    let still = processes(cgroups, path)?;
    for (pid, pidfd) in held {
        if still.contains(&pid) {
            match pidfd_send_signal(&pidfd, signal) {
                Err(Errno::SRCH) | Ok(()) => {}
                Err(errno) => return Err(errno).call("pidfd_send_signal"),
            }
        }
    }
    Ok(())
}

const NOENT: stockade_abi::Errno = stockade_abi::Errno(2);
const BUSY: stockade_abi::Errno = stockade_abi::Errno(16);
const NODEV: stockade_abi::Errno = stockade_abi::Errno(19);
const NOTSUP: stockade_abi::Errno = stockade_abi::Errno(95);
