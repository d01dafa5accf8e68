//! Removal of directory trees by descriptor.
//!
//! The standard library's `remove_dir_all` does not follow symbolic links either, but takes a path
//! and gives up at a directory that its owner may not write; layers have such directories.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, unlinkat};
use rustix::io::Errno;

/// Removes `name` in `dir`, and if it is a directory all that is in it. Symbolic links are removed,
/// never followed. What is not there is removed already.
///
/// # Errors
///
/// The first refusal of the system; what had been removed until then stays removed.
pub(crate) fn remove_at(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let inner = open(dir, name)?;
    // One level is listed before the next is entered, so that the depth costs one descriptor each.
    for name in list(&inner)? {
        remove_at(&inner, name.to_bytes())?;
    }
    drop(inner);
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn list(dir: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Opens a directory so that it can be read and emptied, which its mode may not allow.
fn open(dir: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pinned = rustix::fs::openat(&dir, name, flags | OFlags::PATH, Mode::empty())?;
    if !rustix::process::geteuid().is_root() {
        // Through the descriptor, so that the directory cannot be another one than was opened.
        let path = format!("/proc/self/fd/{}", pinned.as_raw_fd());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(rustix::fs::openat(&pinned, ".", flags | OFlags::RDONLY, Mode::empty())?)
}
