//! Attributes of mounts: what rustix lacks of the mount API.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

pub use rustix::mount::MountAttrFlags;

use crate::Refused;

/// Whether the mounts below one are meant too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recursion {
    /// This mount alone.
    This,
    /// This mount and all below it, or, if the kernel refuses one, none.
    Tree,
}

/// Where mounts and unmounts below a mount go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Propagation {
    /// Nowhere, and none come in.
    Private,
    /// They come in from its master, and go nowhere.
    Slave,
    /// Both ways within its peer group.
    Shared,
    /// Nowhere, and it cannot be bind mounted.
    Unbindable,
}

/// A change of attributes. The default changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct MountAttributes<'fd> {
    /// Attributes to set. An access-time attribute also wants `MOUNT_ATTR__ATIME` in `clear`.
    pub set: MountAttrFlags,
    /// Attributes to clear, before.
    pub clear: MountAttrFlags,
    /// What becomes of propagation; `None` leaves it.
    pub propagation: Option<Propagation>,
    /// The user namespace whose id maps the mount takes: an id-mapped mount. The mount must be
    /// detached and not id-mapped yet.
    pub userns: Option<BorrowedFd<'fd>>,
}

impl Default for MountAttributes<'_> {
    fn default() -> Self {
        let none = MountAttrFlags::empty();
        Self { set: none, clear: none, propagation: None, userns: None }
    }
}

/// Changes the attributes of the mount at `path` below `directory`, or of `directory` itself if
/// `path` is empty. Does not follow a symbolic link at the end of `path`.
///
/// # Errors
///
/// - `EINVAL`: not the root of a mount; contradictory attributes; for an id map, a file system
///   that has none, or a mount that is attached.
/// - `EPERM`: no `CAP_SYS_ADMIN` over the mount, or an attribute that a more privileged mount
///   namespace has locked (`RDONLY`, `NOSUID`, `NODEV`, `NOEXEC`, access times).
/// - `EBUSY`: to become read-only, while a file below is open for writing.
///
/// # Kernel
///
/// Linux 5.12, mount_setattr(2).
pub fn set_attributes(
    directory: impl AsFd,
    path: &CStr,
    recursion: Recursion,
    change: MountAttributes<'_>,
) -> Result<(), Refused> {
    let mut set = change.set;
    let userns_fd = change.userns.map_or(0, |userns| {
        set |= MountAttrFlags::MOUNT_ATTR_IDMAP;
        u64::try_from(userns.as_raw_fd()).expect("a descriptor is not negative")
    });
    let attributes = MountAttr {
        set: set.bits().into(),
        clear: change.clear.bits().into(),
        propagation: match change.propagation {
            None => 0,
            Some(Propagation::Private) => libc::MS_PRIVATE,
            Some(Propagation::Slave) => libc::MS_SLAVE,
            Some(Propagation::Shared) => libc::MS_SHARED,
            Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
        },
        userns_fd,
    };
    let recursive = match recursion {
        Recursion::This => 0,
        Recursion::Tree => AT_RECURSIVE,
    };

    // SAFETY: the path ends with NUL; the attributes are initialized and of the size that is
    // passed. The kernel only reads both, and they are borrowed for the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory.as_fd().as_raw_fd(),
            path.as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | recursive,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(Refused::now("mount_setattr")) }
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

const AT_RECURSIVE: libc::c_int = 0x8000;
