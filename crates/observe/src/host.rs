//! What this machine can do.
//!
//! Measured once, before anything is planned, and cheap enough to do at every start: a few dozen
//! short reads. Only an ordinary user pays for a child process, which tries to make a user
//! namespace.
//!
//! Source: proc(5), sysfs; each reader names its own.

use std::os::fd::AsFd;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::system::uname;
use stockade_abi::host::{Cgroups, Host, Kernel};
use stockade_abi::{NamespaceKind, NamespaceSet, Why};
use thiserror::Error;

use crate::file::{host_text, refused};
use crate::{cgroup, lsm, privilege, subject};

/// A fact that every plan needs could not be measured. There is no default for it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("cannot tell {what} of this machine: {why}")]
pub struct Unmeasured {
    /// The fact, in words.
    pub what: &'static str,
    /// What stood in the way.
    pub why: Why,
}

/// Measures this machine.
///
/// # Errors
///
/// If `/proc` or `/sys` is missing, is not the kernel's, or shows another PID namespace than ours.
pub fn host() -> Result<Host, Unmeasured> {
    let because = |what| move |why| Unmeasured { what, why };
    let procfs = subject::procfs().map_err(because("anything"))?;
    let hierarchies = cgroup::Hierarchies::read(procfs.as_fd()).map_err(because("the cgroups"))?;
    Ok(Host {
        kernel: kernel().map_err(because("the kernel's version"))?,
        last_capability: last_capability().map_err(because("the last capability"))?,
        privilege: privilege::read(procfs.as_fd()).map_err(because("our own privilege"))?,
        namespaces: namespaces().map_err(because("the kinds of namespaces"))?,
        cgroups: hierarchies.cgroups().map_err(because("the cgroup controllers"))?,
        apparmor: lsm::apparmor_support().map_err(because("the state of AppArmor"))?,
        selinux: lsm::selinux().map_err(because("the state of SELinux"))?,
        seccomp_actions: seccomp_actions().map_err(because("the seccomp actions"))?,
        last_cpu: last_cpu().map_err(because("the last CPU"))?,
    })
}

/// Measures of this machine only how cgroups are mounted: all that it takes to remove a container.
///
/// # Errors
///
/// As [`host`].
pub fn cgroups() -> Result<Cgroups, Unmeasured> {
    let because = |what| move |why| Unmeasured { what, why };
    let procfs = subject::procfs().map_err(because("anything"))?;
    cgroup::Hierarchies::read(procfs.as_fd())
        .and_then(|it| it.cgroups())
        .map_err(because("the cgroups"))
}

fn kernel() -> Result<Kernel, Why> {
    let name = uname();
    let release = name.release().to_string_lossy();
    parse_release(&release).ok_or_else(|| Why(format!("`{release}` is no kernel release")))
}

fn parse_release(release: &str) -> Option<Kernel> {
    let (major, rest) = release.split_once('.')?;
    let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
    let (major, minor) = (major.parse().ok()?, rest[..end].parse().ok()?);
    Some(Kernel { major, minor, release: release.to_owned() })
}

fn last_capability() -> Result<u8, Why> {
    const PATH: &str = "/proc/sys/kernel/cap_last_cap";
    let text = host_text(PATH)?;
    let number = text.parse().ok().filter(|it| *it < 64);
    number.ok_or_else(|| Why(format!("{PATH}: `{text}` is no capability")))
}

fn namespaces() -> Result<NamespaceSet, Why> {
    let mut found = NamespaceSet::EMPTY;
    for kind in NamespaceKind::ALL {
        let path = format!("/proc/thread-self/ns/{}", kind.proc_name());
        match accessat(CWD, &path, Access::EXISTS, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) => found = found.with(kind),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(refused(path.as_bytes(), errno).into()),
        }
    }
    Ok(found)
}

fn seccomp_actions() -> Result<Vec<String>, Why> {
    match host_text("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) => Ok(actions.split_ascii_whitespace().map(str::to_owned).collect()),
        Err(failed) if failed.is_absent() => Ok(Vec::new()),
        Err(failed) => Err(failed.into()),
    }
}

fn last_cpu() -> Result<u32, Why> {
    const PATH: &str = "/sys/devices/system/cpu/possible";
    let list = host_text(PATH)?;
    parse_last_cpu(&list).ok_or_else(|| Why(format!("{PATH}: `{list}` is no list of CPUs")))
}

/// The greatest number of a list such as `0-3,8`.
fn parse_last_cpu(list: &str) -> Option<u32> {
    let numbers = list.split([',', '-']).map(str::parse);
    numbers.collect::<Result<Vec<u32>, _>>().ok()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        for (release, expected) in [
            ("6.18.44-fc-v657", Some((6, 18))),
            ("5.10.0-32-amd64", Some((5, 10))),
            ("6.1", Some((6, 1))),
            ("7.0-rc1", Some((7, 0))),
            ("4.19+", Some((4, 19))),
            ("6", None),
            ("six.1", None),
            ("6.", None),
            ("", None),
        ] {
            let found = parse_release(release).map(|it| (it.major, it.minor));
            assert_eq!(found, expected, "{release}");
        }
    }

    #[test]
    fn the_last_cpu_is_the_greatest_number() {
        for (list, expected) in
            [("0", Some(0)), ("0-1", Some(1)), ("0-3,8-11", Some(11)), ("", None), ("0-", None)]
        {
            assert_eq!(parse_last_cpu(list), expected, "{list}");
        }
    }
}
