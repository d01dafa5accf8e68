//! The container's `/dev`.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, makedev, mknodat, symlinkat};
use rustix::fs::{ResolveFlags, openat2, readlinkat};
use rustix::io::Errno;
use stockade_abi::facts::DeviceKind;
use stockade_confine::plan::{DeviceNode, NodeMaking};
use stockade_sys::{Calls, Refused};

use super::mount::attach;
use super::sources::{Sources, verify_device};
use crate::fault::{Done, Fault};
use crate::root::{Leaf, Links, Root};

/// Makes the nodes, and the links that programs expect.
pub(crate) fn make(root: &Root, nodes: &[DeviceNode], index: usize, sources: &mut Sources) -> Done {
    let mut last: Option<(&str, OwnedFd)> = None;
    for (place, node) in nodes.iter().enumerate() {
        match node.made_by {
            NodeMaking::Mknod => {
                let (path, name) = Root::split(&node.path)?;
                let directory = match &mut last {
                    // Most are beside each other.
                    Some((there, directory)) if *there == path => directory,
                    other => {
                        let directory = root.make(path, Leaf::Directory, Links::Inside)?;
                        &mut other.insert((path, directory)).1
                    }
                };
                make_node(directory, name, node)?;
            }
            NodeMaking::Bind => {
                let source = sources.take_node(index, place)?;
                attach(&source, &root.make(&node.path, Leaf::File, Links::Inside)?)?;
            }
        }
    }
    let dev = root.make("/dev", Leaf::Directory, Links::Inside)?;
    LINKS.iter().try_for_each(|(name, target)| make_link(&dev, name, target))
}

/// Makes one node, with exactly its mode (our umask is 0) and owner.
fn make_node(directory: &OwnedFd, name: &str, node: &DeviceNode) -> Done {
    let (kind, number) = match node.device {
        None => (FileType::Fifo, 0),
        Some(device) => {
            let kind = match device.kind {
                DeviceKind::Character => FileType::CharacterDevice,
                DeviceKind::Block => FileType::BlockDevice,
            };
            (kind, makedev(device.major, device.minor))
        }
    };
    match mknodat(directory, name, kind, Mode::from_raw_mode(node.mode & 0o7777), number) {
        Ok(()) => {
            if (node.uid, node.gid) != (0, 0) {
                let owner = [node.uid, node.gid];
                if owner.contains(&u32::MAX) {
                    return Err(Fault::told(format!("{} has no owner", node.path)));
                }
                let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
                chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                    .call("fchownat")?;
            }
            Ok(())
        }
        // Of the image's: it may stay if it is the very device.
        Err(Errno::EXIST) => {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let found = openat2(directory, name, flags, Mode::empty(), resolve).call("openat2")?;
            verify_device(&found, &node.path, node.device)
        }
        Err(errno) => Err(Refused::from_rustix("mknodat", errno).into()),
    }
}

fn make_link(dev: &OwnedFd, name: &str, target: &str) -> Done {
    match symlinkat(target, dev, name) {
        Err(Errno::EXIST) => {
            let found = readlinkat(dev, name, Vec::new());
            if found.is_ok_and(|it| it.as_bytes() == target.as_bytes()) {
                Ok(())
            } else {
                Err(Fault::told(format!("/dev/{name} is there already and not our link")))
            }
        }
        result => Ok(result.call("symlinkat")?),
    }
}

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
