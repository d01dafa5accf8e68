//! The container's view of the cgroup hierarchies.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2, symlinkat};
use stockade_confine::workload::Mount;
use stockade_sys::Calls;
use stockade_sys::mount::{
    MountAttrFlags, MountAttributes, Propagation, Recursion, set_attributes,
};

use super::mount::{Attributes, attach, make};
use super::target::{self, What};
use crate::cgroup::{Cgroup, Place, Version};
use crate::fault::Done;
use crate::root::{Leaf, Root};

/// Mounts those hierarchies in which the process has a cgroup of its own; another one would show
/// the host's.
///
/// With the unified hierarchy alone that is the mount; otherwise a directory for each. At the root
/// of a cgroup namespace, a new mount of a hierarchy shows the process's own cgroup and nothing
/// above; in the host's namespace, `own` are the cgroup's directories to bind.
pub(crate) fn mount(root: &Root, mount: &Mount, cgroup: Option<&Cgroup>, own: &[OwnedFd]) -> Done {
    let target = target::find(root, &mount.target, Leaf::Directory, What::Other)?;
    let places = cgroup.map_or(&[][..], Cgroup::places);
    let flags = Attributes::of(&mount.flags);
    let attributes = flags.this.set | flags.tree.set;

    if let [only] = places
        && only.version == Version::V2
    {
        return attach_hierarchy(only, own.first(), attributes, &target);
    }

    let options = ["mode=755".to_owned(), "size=64k".to_owned()];
    let writable = attributes.difference(MountAttrFlags::MOUNT_ATTR_RDONLY);
    let directory = make("tmpfs", "tmpfs", &options, writable)?;
    attach(&directory, &target)?;
    for (index, place) in places.iter().enumerate() {
        let name = match place.version {
            Version::V2 => "unified".to_owned(),
            Version::V1 => place.controllers.join(","),
        };
        mkdirat(&directory, name.as_str(), Mode::from_raw_mode(0o755)).call("mkdirat")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let at =
            openat2(&directory, name.as_str(), flags, Mode::empty(), resolve).call("openat2")?;
        attach_hierarchy(place, own.get(index), attributes, &at)?;
        if place.controllers.len() > 1 {
            for controller in &place.controllers {
                symlinkat(name.as_str(), &directory, controller.as_str()).call("symlinkat")?;
            }
        }
    }
    // The directory itself too, or files could be put beside the hierarchies.
    if attributes.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) {
        let change = MountAttributes {
            set: MountAttrFlags::MOUNT_ATTR_RDONLY,
            ..MountAttributes::default()
        };
        set_attributes(&directory, c"", Recursion::This, change)?;
    }
    Ok(())
}

fn attach_hierarchy(
    place: &Place,
    own: Option<&OwnedFd>,
    attributes: MountAttrFlags,
    target: &OwnedFd,
) -> Done {
    if let Some(own) = own {
        let change = MountAttributes {
            set: attributes,
            propagation: Some(Propagation::Private),
            ..MountAttributes::default()
        };
        set_attributes(own, c"", Recursion::This, change)?;
        return attach(own, target);
    }
    let made = match place.version {
        Version::V2 => make("cgroup2", "cgroup", &[], attributes)?,
        Version::V1 => make("cgroup", "cgroup", &place.controllers, attributes)?,
    };
    attach(&made, target)
}
