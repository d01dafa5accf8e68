//! A `/proc` that is the kernel's.
//!
//! Opened by the host before the child is born and inherited, so that no mount of a container and
//! no link of an image stands between us and the kernel (CVE-2019-16884, CVE-2019-19921,
//! CVE-2025-52881). `self` in it is whoever looks.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, openat2, readlinkat};
use stockade_sys::{Calls, Refused};

use crate::fault::{Done, Fault};

/// The kernel's `/proc`, verified.
#[derive(Debug)]
pub(crate) struct Proc(OwnedFd);

impl Proc {
    /// Opens `/proc` and verifies that procfs is there.
    pub(crate) fn open() -> Done<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = openat2(CWD, c"/proc", flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .call("openat2(/proc)")?;
        let found = fstatfs(&proc).call("fstatfs(/proc)")?;
        if found.f_type != PROC_SUPER_MAGIC {
            return Err(Fault::told("/proc is not procfs"));
        }
        Ok(Self(proc))
    }

    /// Opens a file of the calling process: `oom_score_adj`, `attr/apparmor/exec`.
    pub(crate) fn open_own(&self, file: &str, flags: OFlags) -> Result<OwnedFd, Refused> {
        // `self` is an ordinary link to a number; the magic ones lead out.
        self.open_below(&format!("self/{file}"), flags, ResolveFlags::NO_MAGICLINKS)
    }

    /// Our number where the host is, whatever PID namespace we are in: this `/proc` is the host's.
    pub(crate) fn own_pid(&self) -> Done<i32> {
        let link = readlinkat(&self.0, "self", Vec::new()).call("readlinkat(/proc/self)")?;
        let number = link.to_str().ok().and_then(|it| it.parse().ok());
        number.ok_or_else(|| Fault::told("/proc does not show us"))
    }

    /// Opens a file of another process.
    pub(crate) fn open_of(&self, pid: i32, file: &str, flags: OFlags) -> Result<OwnedFd, Refused> {
        self.open_below(&format!("{pid}/{file}"), flags, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens a sysctl for writing by its path below `/proc/sys`.
    pub(crate) fn open_sysctl(&self, path: &str) -> Result<OwnedFd, Refused> {
        let links = ResolveFlags::NO_SYMLINKS;
        self.open_below(&format!("sys/{path}"), OFlags::WRONLY, links)
    }

    /// Opens the link to a namespace of a process, as something that can be joined.
    pub(crate) fn open_namespace(&self, pid: i32, name: &str) -> Result<OwnedFd, Refused> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, format!("{pid}/ns/{name}"), flags, Mode::empty())
            .call("openat(/proc/<pid>/ns)")
    }

    fn open_below(
        &self,
        path: &str,
        flags: OFlags,
        links: ResolveFlags,
    ) -> Result<OwnedFd, Refused> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | links;
        openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
            .call("openat2(/proc)")
    }
}

/// Reads a file of `/proc` whole, up to `limit` bytes.
pub(crate) fn read_all(fd: &OwnedFd, limit: usize) -> Result<Vec<u8>, Refused> {
    let mut text = vec![0; limit];
    let mut length = 0;
    while length < limit {
        match rustix::io::read(fd, &mut text[length..]).call("read(/proc)")? {
            0 => break,
            more => length += more,
        }
    }
    text.truncate(length);
    Ok(text)
}
