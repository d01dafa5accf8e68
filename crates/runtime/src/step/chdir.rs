//! The working directory.

use std::os::fd::OwnedFd;

use rustix::process::{fchdir, getcwd};
use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::root::{Leaf, Links, Root};

/// Changes to a directory of the container, which is made if it is missing, and verifies that it is
/// inside: one that was reached through a descriptor of the host's has no path in here
/// (CVE-2024-21626).
pub(crate) fn change(root: &Root, path: &str) -> Done {
    let directory = make(root, path)?;
    fchdir(&directory).call("fchdir")?;
    let inside = getcwd(Vec::new()).call("getcwd")?;
    if inside.as_bytes().starts_with(b"/") {
        Ok(())
    } else {
        Err(Fault::told(format!("the working directory `{path}` is outside the container")))
    }
}

/// Finds or makes the directory.
pub(crate) fn make(root: &Root, path: &str) -> Done<OwnedFd> {
    if !path.starts_with('/') {
        return Err(Fault::told(format!("the working directory `{path}` is not absolute")));
    }
    root.make(path, Leaf::Directory, Links::Inside)
}
