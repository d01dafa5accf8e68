//! The root: cutting it off, attaching it, changing to it.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{chdir, fchdir, pivot_root};
use stockade_confine::plan;
use stockade_sys::Calls;
use stockade_sys::mount::{
    MountAttrFlags, MountAttributes, Propagation, Recursion, set_attributes,
};

use super::mount::{attach, raw_propagation};
use crate::fault::Done;
use crate::root::Root;

/// Sees to it that no mount event of this namespace reaches the host. (What comes from the host is
/// a matter of each mount, which was opened on the host's side before.)
pub(crate) fn cut_propagation(propagation: plan::Propagation) -> Done {
    let propagation = match raw_propagation(propagation) {
        // Shared is what the container's own root becomes, later; never its copy of the host's.
        Propagation::Shared | Propagation::Slave => Propagation::Slave,
        other @ (Propagation::Private | Propagation::Unbindable) => other,
    };
    let change = MountAttributes { propagation: Some(propagation), ..MountAttributes::default() };
    Ok(set_attributes(CWD, c"/", Recursion::Tree, change)?)
}

/// Attaches the root where everybody has a directory, until it becomes the root: over `/proc` of
/// this mount namespace, which goes away with the old root.
pub(crate) fn attach_root(mount: OwnedFd) -> Done<Root> {
    let change =
        MountAttributes { propagation: Some(Propagation::Private), ..MountAttributes::default() };
    set_attributes(&mount, c"", Recursion::Tree, change)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat(CWD, c"/proc", flags, Mode::empty()).call("open(/proc)")?;
    attach(&mount, &place)?;
    Ok(Root::new(mount))
}

/// The root that the process has.
pub(crate) fn current() -> Done<Root> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Root::new(rustix::fs::openat(CWD, c"/", flags, Mode::empty()).call("open(/)")?))
}

/// Makes the root the root, and lets go of the old one.
pub(crate) fn pivot(root: &Root, propagation: plan::Propagation) -> Done {
    fchdir(root).call("fchdir(root)")?;
    // The old root lands on top of the new one, where it is taken away: no directory is needed.
    pivot_root(c".", c".").call("pivot_root")?;
    unmount(c".", UnmountFlags::DETACH).call("umount2(old root)")?;
    chdir(c"/").call("chdir(/)")?;
    if propagation == plan::Propagation::Shared {
        let change = MountAttributes {
            propagation: Some(Propagation::Shared),
            ..MountAttributes::default()
        };
        set_attributes(root, c"", Recursion::This, change)?;
    }
    Ok(())
}

/// Makes the root's mount read-only; what is mounted in it has flags of its own.
pub(crate) fn make_read_only(root: &Root) -> Done {
    let change =
        MountAttributes { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..MountAttributes::default() };
    Ok(set_attributes(root, c"", Recursion::This, change)?)
}
