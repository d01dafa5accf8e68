//! A session of its own, with a terminal of its own or none.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Gid, Mode, Uid, fchown, mknodat, openat2};
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::process::{ioctl_tiocsctty, setsid};
use stockade_sys::fs::FsMagic;
use stockade_sys::pty::{Pty, open_in};
use stockade_sys::{Calls, keyring};

use super::descriptors::take_as_standard;
use crate::fault::{Done, Fault};
use crate::root::{Links, Root};

/// A session without a controlling terminal: nothing to push keystrokes into (CVE-2017-5226).
pub(crate) fn without_terminal() -> Done {
    setsid().call("setsid")?;
    Ok(())
}

/// A session whose controlling terminal and standard streams are a new pseudoterminal of the
/// container's devpts. Returns the other end.
///
/// `owner` is who opens it again by name.
pub(crate) fn with_terminal(root: &Root, owner: u32, console: Console) -> Done<OwnedFd> {
    setsid().call("setsid")?;
    // Where the kernel says it is, not where an image says (CVE-2025-52565).
    let devpts = root.find("/dev/pts", Links::Refused)?;
    if FsMagic::of(&devpts)? != FsMagic::DEVPTS {
        return Err(Fault::told("/dev/pts of the container is not devpts"));
    }
    let Pty { controller, terminal } = open_in(&devpts)?;
    if owner != 0 {
        fchown(&terminal, Some(Uid::from_raw(owner)), None::<Gid>).call("fchown(terminal)")?;
    }
    ioctl_tiocsctty(&terminal).call("ioctl(TIOCSCTTY)")?;
    match console {
        Console::Bound => bind_console(root, &terminal)?,
        Console::AsItIs => {}
    }
    take_as_standard([&terminal, &terminal, &terminal])?;
    Ok(controller)
}

/// What becomes of the container's `/dev/console`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Console {
    /// It is the terminal: the container is being made.
    Bound,
    /// Nothing: the container is there already.
    AsItIs,
}

/// Puts the terminal at `/dev/console`. The file there is made, or is one that is no link
/// (CVE-2026-88264).
fn bind_console(root: &Root, terminal: &OwnedFd) -> Done {
    let (dev, name) = root.parent("/dev/console")?;
    let mode = Mode::from_raw_mode(0o600);
    match mknodat(&dev, name, FileType::RegularFile, mode, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).call("mknodat(/dev/console)").map_err(Fault::from),
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let console =
        openat2(&dev, name, flags, Mode::empty(), resolve).call("openat2(/dev/console)")?;

    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let mount = open_tree(terminal.as_fd(), c"", flags).call("open_tree(terminal)")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&mount, c"", &console, c"", flags).call("move_mount(/dev/console)")?;

    let [of_terminal, of_console] =
        [terminal.as_fd(), root.find("/dev/console", Links::Refused)?.as_fd()]
            .map(|fd| rustix::fs::fstat(fd).map(|it| it.st_rdev));
    if of_terminal.call("fstat")? == of_console.call("fstat")? {
        Ok(())
    } else {
        Err(Fault::told("/dev/console is not the terminal"))
    }
}

/// A session keyring of its own.
pub(crate) fn new_keyring() -> Done {
    keyring::join_session(None)?;
    Ok(())
}
