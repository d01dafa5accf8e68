//! The device nodes of this machine, for privileged containers.
//!
//! What Docker and containerd hand on: every character and block device below `/dev`, without the
//! file systems that a container has of its own and without the console.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{major, minor};
use stockade_abi::facts::{Device, DeviceKind};
use stockade_confine::plan::{DeviceNode, NodeMaking};

use crate::answer::Failure;

/// Lists the nodes by path.
pub(super) fn list(made_by: NodeMaking) -> Result<Vec<DeviceNode>, Failure> {
    let root = Path::new("/dev");
    let failed = |error| Failure::unanswered(format!("cannot list the devices in /dev: {error}"));
    let mut nodes = Vec::new();
    let file_system = root.metadata().map_err(failed)?.dev();
    walk(root, file_system, made_by, DEEPEST, &mut nodes).map_err(failed)?;
    nodes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(nodes)
}

fn walk(
    directory: &Path,
    file_system: u64,
    made_by: NodeMaking,
    depth: u32,
    nodes: &mut Vec<DeviceNode>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // A device can be unplugged while we look.
        let Ok(found) = path.symlink_metadata() else { continue };
        let kind = found.file_type();
        let kind = if kind.is_dir() {
            // `pts`, `shm` and `mqueue` are mounts, and every container has its own.
            if found.dev() == file_system
                && depth > 0
                && !OWN.iter().any(|own| path == Path::new(own))
            {
                walk(&path, file_system, made_by, depth - 1, nodes)?;
            }
            continue;
        } else if kind.is_char_device() {
            DeviceKind::Character
        } else if kind.is_block_device() {
            DeviceKind::Block
        } else {
            continue;
        };
        let Some(text) = path.to_str().filter(|it| !TERMINALS.contains(it)) else { continue };
        nodes.push(DeviceNode {
            path: text.to_owned(),
            device: Some(Device { kind, major: major(found.rdev()), minor: minor(found.rdev()) }),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            made_by,
        });
    }
    Ok(())
}

/// A container's terminals are its own.
const TERMINALS: [&str; 2] = ["/dev/console", "/dev/ptmx"];
const OWN: [&str; 4] = ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd"];
const DEEPEST: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_devices_are_found_and_terminals_and_the_console_are_not() {
        let nodes = list(NodeMaking::Mknod).unwrap();
        let null = nodes.iter().find(|it| it.path == "/dev/null").unwrap();
        let expected = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
        assert_eq!(null.device, Some(expected));
        assert!(nodes.iter().all(|it| !it.path.starts_with("/dev/pts/")));
        assert!(nodes.iter().all(|it| it.path != "/dev/console"));
        assert!(nodes.is_sorted_by(|one, next| one.path < next.path));
    }
}
