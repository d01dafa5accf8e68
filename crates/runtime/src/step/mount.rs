//! Mounting a file system or a host path in the container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, fstat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use stockade_confine::plan;
use stockade_confine::workload::{self, Mount, MountFlags};
use stockade_sys::fs::FsMagic;
use stockade_sys::mount::{
    MountAttrFlags, MountAttributes, Propagation, Recursion, set_attributes,
};
use stockade_sys::{Calls, Refused};

use super::target::{self, What};
use crate::fault::{Done, Fault};
use crate::root::{Leaf, Root};

/// Mounts a new file system.
pub(crate) fn mount_new(
    root: &Root,
    mount: &Mount,
    kind: &str,
    name: &str,
    options: &[String],
) -> Done {
    let what = match kind {
        "proc" => What::Proc,
        "sysfs" => What::Sysfs,
        _ => What::Other,
    };
    let target = target::find(root, &mount.target, Leaf::Directory, what)?;
    let flags = Attributes::of(&mount.flags);
    let made = make(kind, name, options, flags.this.set | flags.tree.set)?;
    if let Some(propagation) = mount.propagation {
        let change = MountAttributes {
            propagation: Some(raw_propagation(propagation)),
            ..MountAttributes::default()
        };
        set_attributes(&made, c"", Recursion::This, change)?;
    }
    attach(&made, &target)
}

/// Mounts what a host path was opened as.
pub(crate) fn bind(root: &Root, mount: &Mount, source: &OwnedFd) -> Done {
    let kind = FileType::from_raw_mode(fstat(source).call("fstat")?.st_mode);
    let leaf = if kind == FileType::Directory { Leaf::Directory } else { Leaf::File };
    let magic = FsMagic::of(source)?;
    let what = match (magic, kind) {
        (FsMagic::PROC, FileType::Directory) => What::Proc,
        (FsMagic::SYSFS, FileType::Directory) => What::Sysfs,
        _ => What::Other,
    };
    let target = target::find(root, &mount.target, leaf, what)?;

    let Attributes { this, tree } = Attributes::of(&mount.flags);
    let propagation = mount.propagation.map_or(Propagation::Private, raw_propagation);
    let change = MountAttributes {
        set: tree.set,
        clear: tree.clear,
        propagation: Some(propagation),
        userns: None,
    };
    // While it is attached nowhere: at no moment can it be reached without its flags.
    set_attributes(source, c"", Recursion::Tree, change)?;
    if !this.set.is_empty() {
        let change =
            MountAttributes { set: this.set, clear: this.clear, ..MountAttributes::default() };
        set_attributes(source, c"", Recursion::This, change)?;
    }
    attach(source, &target)
}

/// Makes a file system that is attached nowhere.
pub(crate) fn make(
    kind: &str,
    name: &str,
    options: &[String],
    attributes: MountAttrFlags,
) -> Done<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).call("fsopen")?;
    let fs = context.as_fd();
    if !name.is_empty() {
        fsconfig_set_string(fs, c"source", name).call("fsconfig(source)")?;
    }
    for option in options {
        let set = match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(fs, key, value),
            None => fsconfig_set_flag(fs, option.as_str()),
        };
        set.call("fsconfig").map_err(|it| {
            Fault::told(format!("{} from fsconfig of the option `{option}`", it.errno))
        })?;
    }
    fsconfig_create(fs).call("fsconfig(create)").map_err(|it| why(it, fs))?;
    Ok(fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).call("fsmount")?)
}

/// Attaches a mount at a place.
pub(crate) fn attach(mount: &OwnedFd, target: &OwnedFd) -> Done {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, c"", target, c"", flags).call("move_mount")?)
}

/// What the file system itself says about an error, if it says anything.
pub(crate) fn why(refused: Refused, context: BorrowedFd<'_>) -> Fault {
    let mut message = [0; 1024];
    match rustix::io::read(context, &mut message) {
        Ok(length) if length > 2 => {
            let message = String::from_utf8_lossy(&message[2..length]);
            let errno = refused.errno;
            Fault::told(format!("{errno} from {}: {}", refused.call, message.trim()))
        }
        Ok(_) | Err(_) => refused.into(),
    }
}

/// What flags ask to be changed: of one mount, and of those below it too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) this: Change,
    pub(crate) tree: Change,
}

/// Attributes to set and to clear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) set: MountAttrFlags,
    pub(crate) clear: MountAttrFlags,
}

impl Attributes {
    pub(crate) fn of(flags: &MountFlags) -> Self {
        let MountFlags {
            read_only,
            no_suid,
            no_dev,
            no_exec,
            no_atime,
            strict_atime,
            no_dir_atime,
            no_symlink_follow,
        } = *flags;
        let none = Change { set: MountAttrFlags::empty(), clear: MountAttrFlags::empty() };
        let mut all = Self { this: none, tree: none };
        for (recursion, attribute) in [
            (read_only, MountAttrFlags::MOUNT_ATTR_RDONLY),
            (no_suid, MountAttrFlags::MOUNT_ATTR_NOSUID),
            (no_dev, MountAttrFlags::MOUNT_ATTR_NODEV),
            (no_exec, MountAttrFlags::MOUNT_ATTR_NOEXEC),
            (no_atime, MountAttrFlags::MOUNT_ATTR_NOATIME),
            (strict_atime, MountAttrFlags::MOUNT_ATTR_STRICTATIME),
            (no_dir_atime, MountAttrFlags::MOUNT_ATTR_NODIRATIME),
            (no_symlink_follow, MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW),
        ] {
            let change = match recursion {
                None => continue,
                Some(workload::Recursion::One) => &mut all.this,
                Some(workload::Recursion::All) => &mut all.tree,
            };
            change.set |= attribute;
            if attribute.intersects(MountAttrFlags::MOUNT_ATTR__ATIME) {
                // A field of its own within the flags, which is replaced as a whole.
                change.clear |= MountAttrFlags::MOUNT_ATTR__ATIME;
            }
        }
        all
    }
}

pub(crate) const fn raw_propagation(propagation: plan::Propagation) -> Propagation {
    match propagation {
        plan::Propagation::Private => Propagation::Private,
        plan::Propagation::Slave => Propagation::Slave,
        plan::Propagation::Shared => Propagation::Shared,
    }
}
