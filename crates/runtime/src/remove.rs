//! Removal of what containers wrote.
//!
//! By descriptor and without following links: what is in there was the container's to write
//! (CVE-2017-1002102, CVE-2022-21658). Without root a directory that nobody may enter (overlayfs
//! makes one, and root inside can fill one) is first made ours to enter, which it is to own.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Removes `path` and, if it is a directory, all that is in it. That it is not there is no error.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    remove_at(CWD, path)
}

fn remove_at(parent: impl AsFd, name: impl Arg + Copy) -> io::Result<()> {
    match unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let directory = open(&parent, name)?;
    for entry in list(&directory)? {
        remove_at(&directory, entry.as_c_str())?;
    }
    drop(directory);
    match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The whole list before the first removal, which would change what is listed.
fn list(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn open(parent: impl AsFd, name: impl Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pinned = openat(parent, name, flags | OFlags::PATH, Mode::empty())?;
    if !rustix::process::geteuid().is_root() {
        let pinned = format!("/proc/self/fd/{}", pinned.as_raw_fd());
        std::fs::set_permissions(pinned, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(openat(&pinned, ".", flags | OFlags::RDONLY, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let base = tempfile::tempdir().unwrap();
        let (tree, kept) = (base.path().join("tree"), base.path().join("kept"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("a/link")).unwrap();
        fs::write(tree.join("a/b/file"), "").unwrap();
        fs::set_permissions(tree.join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && kept.join("file").exists());
        remove_tree(&tree).unwrap();
    }
}
