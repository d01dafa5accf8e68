//! Hiding paths and making paths read-only, after the root has become the root.

use std::os::fd::OwnedFd;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use stockade_sys::Calls;
use stockade_sys::mount::{MountAttrFlags, MountAttributes, Recursion, set_attributes};

use super::mount::make;
use crate::fault::Done;
use crate::root::{Links, Root};

/// What hides paths.
#[derive(Debug)]
pub(crate) struct Covers {
    /// The null device, over files.
    null: Cover,
    /// One empty read-only file system, over directories; made when it is first needed.
    emptiness: Option<Cover>,
}

/// A mount of which any number of copies are put over paths.
#[derive(Debug)]
struct Cover {
    mount: OwnedFd,
    /// Only what is attached in this mount namespace can be copied on every kernel: the first use
    /// takes the mount itself.
    is_attached: bool,
    /// A copy that found no place.
    spare: Option<OwnedFd>,
}

impl Covers {
    /// Hides files behind this null device.
    pub(crate) const fn new(null: OwnedFd) -> Self {
        Self { null: Cover::new(null), emptiness: None }
    }

    /// Hides what is at `path`: a file behind the null device, a directory behind an empty one.
    /// What is not there is hidden already.
    ///
    /// Each attempt resolves the path once, in the call that mounts; if it is swapped between the
    /// two, one of them fails on the kind of what it finds, and with it the container
    /// (CVE-2025-31133, GHSA-3q8j-pf29-vwv8).
    pub(crate) fn hide(&mut self, path: &str) -> Done {
        match self.null.put_over(path) {
            Err(Errno::NOENT) => return Ok(()),
            // A directory, on which no file can be mounted.
            Err(Errno::INVAL | Errno::NOTDIR) => {}
            result => return Ok(result.call("move_mount(/dev/null)")?),
        }
        let emptiness = match &mut self.emptiness {
            Some(emptiness) => emptiness,
            none => none.insert(Cover::new(make_emptiness()?)),
        };
        Ok(emptiness.put_over(path).call("move_mount(empty directory)")?)
    }
}

impl Cover {
    const fn new(mount: OwnedFd) -> Self {
        Self { mount, is_attached: false, spare: None }
    }

    fn put_over(&mut self, path: &str) -> rustix::io::Result<()> {
        // The root is the container's: a link at the end leads somewhere in there.
        let put = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        if self.is_attached {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH;
            let copy = match self.spare.take() {
                Some(spare) => spare,
                None => open_tree(&self.mount, c"", flags)?,
            };
            let result = move_mount(&copy, c"", CWD, path, put);
            if result.is_err() {
                self.spare = Some(copy);
            }
            return result;
        }
        move_mount(&self.mount, c"", CWD, path, put)?;
        self.is_attached = true;
        Ok(())
    }
}

/// Makes what is at `path`, and every mount below it, read-only. What is not there cannot be
/// written.
pub(crate) fn make_read_only(root: &Root, path: &str) -> Done {
    let place = match root.find(path, Links::Inside) {
        Err(refused) if refused.errno == NOENT => return Ok(()),
        place => place?,
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = open_tree(&place, c"", flags).call("open_tree")?;
    // A bind mount's read-only flag is not recursive; this is.
    let change =
        MountAttributes { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..MountAttributes::default() };
    set_attributes(&copy, c"", Recursion::Tree, change)?;
    super::mount::attach(&copy, &place)
}

fn make_emptiness() -> Done<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    make("tmpfs", "tmpfs", &["ro".to_owned(), "mode=555".to_owned()], attributes)
}

const NOENT: stockade_abi::Errno = stockade_abi::Errno(2);
