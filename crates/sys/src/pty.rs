//! Pseudoterminals.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};

use crate::{Calls, Refused};

/// Both ends of a pseudoterminal. Neither has become a controlling terminal; both are
/// close-on-exec.
#[derive(Debug)]
pub struct Pty {
    /// The end that a person's terminal is connected to.
    pub controller: OwnedFd,
    /// The end that a program takes for its terminal.
    pub terminal: OwnedFd,
}

/// Makes a pseudoterminal in the mount of devpts whose root is `devpts`.
///
/// The other end is asked from the descriptor and not opened by name, since a name would be looked
/// up in whatever is mounted where the caller believes devpts to be.
///
/// # Errors
///
/// - `ENOENT`: `devpts` is something else. `EACCES`: a devpts with `ptmxmode=000`.
/// - `ENOSPC`: its `max` is reached.
///
/// # Kernel
///
/// Linux 4.13 (`TIOCGPTPEER`), pts(4), ioctl_tty(2).
pub fn open_in(devpts: impl AsFd) -> Result<Pty, Refused> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let controller =
        rustix::fs::openat(devpts, c"ptmx", flags, Mode::empty()).call("openat(ptmx)")?;
    unlockpt(&controller).call("ioctl(TIOCSPTLCK)")?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = ioctl_tiocgptpeer(&controller, flags).call("ioctl(TIOCGPTPEER)")?;
    Ok(Pty { controller, terminal })
}

/// Makes a pseudoterminal in `/dev/pts`.
///
/// # Errors
///
/// As [`open_in`]; `ENOENT` without `/dev/pts`.
///
/// # Kernel
///
/// As [`open_in`].
pub fn open() -> Result<Pty, Refused> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let devpts = rustix::fs::open(c"/dev/pts", flags, Mode::empty()).call("open(/dev/pts)")?;
    open_in(devpts)
}
