//! Sysctls and the host name, as the process would read them.
//!
//! `/proc/sys` shows whoever reads it the values of the *reader's* network, IPC, UTS and user
//! namespaces. So they are read from within the process's, through the observer's procfs: the
//! container's own may be anything. Into a user namespace goes a child, since nobody comes back from
//! there; the others are entered and left again.
//!
//! Names are spelled with dots, or with slashes where a component has a dot in it, as sysctl(8)
//! does: `net.ipv4.conf.eth0/1.rp_filter` is that of `eth0.1`.
//!
//! # Kernel
//!
//! Linux 5.8 (setns(2) with a pidfd); `kernel.pid_max` and `kernel.ns_last_pid` belong to the PID
//! namespace, which nobody can enter with what is already running.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::system::uname;
use rustix::thread::{
    ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};
use stockade_abi::{NamespaceKind, NamespaceSet, Reading, Why};

use crate::bounded::{self, Answer};
use crate::file::{self, SMALL, words};
use crate::namespaces::{Membership, Namespaces};
use crate::subject::Subject;

/// What depends on the namespaces of whoever looks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct View {
    pub(crate) hostname: Reading<String>,
    pub(crate) sysctls: BTreeMap<String, Reading<String>>,
}

/// Reads the host name and each of the sysctls.
pub(crate) fn read(subject: &Subject, namespaces: &Namespaces, asked: &[String]) -> View {
    let look = || {
        let sysctls = asked.iter().map(|name| sysctl(subject.procfs(), name));
        [Ok(hostname())].into_iter().chain(sysctls).collect()
    };
    let mut answers = match foreign(namespaces) {
        Err(why) => vec![Err(why); asked.len() + 1],
        Ok(foreign) if foreign.is_empty() => look(),
        Ok(foreign) if !foreign.contains(NamespaceKind::User) => {
            visit(subject, foreign, look).unwrap_or_else(|why| vec![Err(why); asked.len() + 1])
        }
        Ok(foreign) => bounded::ask(asked.len() + 1, NamespaceSet::EMPTY, |answers| {
            let entered = enter(subject.pidfd(), foreign);
            answers.die_with_parent();
            let entered = || entered.clone();
            answers.send(&entered().map(|()| hostname()));
            for name in asked {
                answers.send(&entered().and_then(|()| sysctl(subject.procfs(), name)));
            }
        }),
    }
    .into_iter()
    .map(text);
    let hostname = answers.next().unwrap_or_else(|| Err(Why("nobody looked".to_owned())));
    let own_pids = namespaces.membership(NamespaceKind::Pid) != Ok(Membership::Shared);
    let sysctls = asked.iter().zip(answers).map(|(name, value)| {
        let of_pids = PER_PID_NAMESPACE.contains(&name.replace('/', ".").as_str());
        let value = if of_pids && own_pids {
            Err(Why("belongs to the process's PID namespace, which cannot be entered".to_owned()))
        } else {
            value
        };
        (name.clone(), value.into())
    });
    View { sysctls: sysctls.collect(), hostname: hostname.into() }
}

/// Those namespaces that matter here and are not ours.
fn foreign(namespaces: &Namespaces) -> Result<NamespaceSet, Why> {
    use NamespaceKind::{Ipc, Net, User, Uts};
    let mut foreign = NamespaceSet::EMPTY;
    for kind in [User, Net, Ipc, Uts] {
        match namespaces.membership(kind)? {
            Membership::Own => foreign = foreign.with(kind),
            Membership::Shared => {}
        }
    }
    Ok(foreign)
}

/// Enters all of them at once. The kernel takes the user namespace first, whose owner then may
/// enter the others.
fn enter(pidfd: BorrowedFd<'_>, namespaces: NamespaceSet) -> Result<(), Why> {
    let flags = u32::try_from(namespaces.clone_flags()).ok();
    let flags = flags.map(ThreadNameSpaceType::from_bits_retain);
    let flags = flags.ok_or_else(|| Why("namespaces without flags".to_owned()))?;
    move_into_thread_name_spaces(pidfd, flags)
        .map_err(|errno| Why(format!("setns({namespaces}): {}", words(errno))))
}

/// Looks from within namespaces, and comes back.
///
/// Nobody there gains anything from a visitor: who may trace it or send it signals depends on the
/// user and PID namespaces, which it does not leave.
fn visit<T>(
    subject: &Subject,
    namespaces: NamespaceSet,
    look: impl FnOnce() -> T,
) -> Result<T, Why> {
    let home = |kind: NamespaceKind| {
        let path = format!("thread-self/ns/{}", kind.proc_name());
        let opened =
            openat(subject.procfs(), &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        opened.map_err(|errno| Why::from(file::refused(path.as_bytes(), errno)))
    };
    let kinds = NamespaceKind::ALL.into_iter().filter(|it| namespaces.contains(*it));
    let homes = kinds.map(home).collect::<Result<Vec<_>, _>>()?;
    enter(subject.pidfd(), namespaces)?;
    let seen = look();
    for home in &homes {
        if move_into_link_name_space(home.as_fd(), None).is_err() {
            // Whatever it did from here on, it would do to the wrong machine.
            std::process::abort();
        }
    }
    Ok(seen)
}

fn hostname() -> Vec<u8> {
    uname().nodename().to_bytes().to_vec()
}

fn sysctl(procfs: BorrowedFd<'_>, name: &str) -> Answer {
    let path = path(name).ok_or_else(|| Why(format!("`{}` is no sysctl", name.escape_debug())))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat2(procfs, &path, flags, Mode::empty(), resolve)
        .map_err(|errno| Why::from(file::refused(path.as_bytes(), errno)))?;
    Ok(file::read_open(file.as_fd(), path.as_bytes(), SMALL)?)
}

/// The value without its line break; blanks and tabs within it stay as the kernel prints them.
fn text(answer: Answer) -> Result<String, Why> {
    let mut value = String::from_utf8(answer?).map_err(|_| Why("not text".to_owned()))?;
    value.truncate(value.trim_end_matches('\n').len());
    Ok(value)
}

/// The path of a sysctl below the root of procfs, or `None` for what cannot be a name.
fn path(name: &str) -> Option<String> {
    let separator = name.find(['.', '/']).map(|at| name.as_bytes()[at]);
    let path: String = match separator {
        Some(b'.') => name.chars().map(swap).collect(),
        Some(_) => name.to_owned(),
        None => return None,
    };
    let plain = |it: &str| !matches!(it, "" | "." | "..") && !it.contains('\0');
    path.split('/').all(plain).then(|| format!("sys/{path}"))
}

const fn swap(letter: char) -> char {
    match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    }
}

const PER_PID_NAMESPACE: &[&str] = &["kernel.pid_max", "kernel.ns_last_pid"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_that_stay_below() {
        for (name, expected) in [
            ("kernel.msgmax", Some("sys/kernel/msgmax")),
            ("net.ipv4.conf.eth0/1.rp_filter", Some("sys/net/ipv4/conf/eth0.1/rp_filter")),
            ("net/ipv4/conf/eth0.1/rp_filter", Some("sys/net/ipv4/conf/eth0.1/rp_filter")),
            ("kernel/msgmax", Some("sys/kernel/msgmax")),
            ("kernel", None),
            ("", None),
            (".kernel", None),
            ("/kernel/msgmax", None),
            ("kernel.", None),
            ("kernel..msgmax", None),
            ("kernel.//.msgmax", None),
            ("kernel/../../self/environ", None),
            ("a.///etc", Some("sys/a/...etc")),
            ("kernel.msg\0max", None),
        ] {
            assert_eq!(path(name).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn values_lose_their_line_break_only() {
        for (bytes, expected) in
            [("4096\t131072\t6291456\n", "4096\t131072\t6291456"), ("", ""), (" x \n", " x ")]
        {
            assert_eq!(text(Ok(bytes.into())).as_deref(), Ok(expected));
        }
        assert!(text(Ok(vec![0xff])).is_err());
    }
}
