//! The host's side of mounts: what comes from host paths, as mounts that are attached nowhere yet.
//!
//! With privilege this is done before the process is made, so that a process of another user
//! namespace needs no way to the paths, and so that mounts keep the propagation that they have on
//! the host until their own step says otherwise. Without it only the process itself may, in its
//! own user namespace.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, fstat, major, minor};
use rustix::mount::{OpenTreeFlags, open_tree};
use stockade_abi::facts::{Device, DeviceKind};
use stockade_confine::plan::{Action, NodeMaking, Plan, RootSource, Step};
use stockade_confine::workload::{MountSource, PodFile, Recursion};
use stockade_sys::Calls;

use super::{overlay, volume};
use crate::cgroup::Cgroup;
use crate::fault::{Done, Fault};
use crate::site::{PodFiles, Site};

/// Mounts that are attached nowhere.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By step.
    trees: BTreeMap<usize, OwnedFd>,
    /// Device nodes, by step and their place in it.
    nodes: BTreeMap<(usize, usize), OwnedFd>,
    /// The null device, to put over files.
    null: Option<OwnedFd>,
    /// The cgroup's own directories, to be seen in the host's cgroup namespace.
    cgroups: Vec<OwnedFd>,
}

/// Who opens them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opener {
    /// The process that starts the container, with privilege.
    Host,
    /// The process that becomes it, in a mount namespace of its own.
    Child,
}

impl Sources {
    /// Opens all that the plan speaks of. An error comes with the step.
    pub(crate) fn open(
        plan: &Plan,
        site: &Site<'_>,
        cgroup: Option<&Cgroup>,
        opener: Opener,
    ) -> Result<Self, (usize, Fault)> {
        let mut all = Self::default();
        let is_own = |it: &Step| matches!(it.action, Action::UnshareCgroupNamespace);
        let seen_as_is = if plan.steps().iter().any(is_own) { None } else { cgroup };
        for (index, step) in plan.steps().iter().enumerate() {
            all.open_for(index, &step.action, site, seen_as_is, opener)
                .map_err(|fault| (index, fault))?;
        }
        Ok(all)
    }

    /// The mount of a step.
    pub(crate) fn take(&mut self, index: usize) -> Done<OwnedFd> {
        self.trees.remove(&index).ok_or_else(|| Fault::told("the source was not opened"))
    }

    /// The device of a step.
    pub(crate) fn take_node(&mut self, index: usize, place: usize) -> Done<OwnedFd> {
        self.nodes.remove(&(index, place)).ok_or_else(|| Fault::told("the device was not opened"))
    }

    /// The null device.
    pub(crate) fn take_null(&mut self) -> Done<OwnedFd> {
        self.null.take().ok_or_else(|| Fault::told("/dev/null was not opened"))
    }

    /// The cgroup's own directories; none in a cgroup namespace of its own.
    pub(crate) fn cgroups(&self) -> &[OwnedFd] {
        &self.cgroups
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other actions have no source")]
    fn open_for(
        &mut self,
        index: usize,
        action: &Action,
        site: &Site<'_>,
        cgroup: Option<&Cgroup>,
        opener: Opener,
    ) -> Done {
        match action {
            Action::MountRoot(RootSource::Overlay { layers, attributes }) => {
                let tree = overlay::mount(layers, &site.scratch, *attributes, &site.join)?;
                self.trees.insert(index, tree);
            }
            Action::MountRoot(RootSource::Directory(path)) => {
                self.trees.insert(index, clone(Path::new(path), Recursion::All)?);
            }
            Action::Mount(mount) => match &mount.source {
                MountSource::Bind { path, recursion } => {
                    self.trees.insert(index, clone(Path::new(path), *recursion)?);
                }
                MountSource::PodFile(file) => {
                    let files = site.pod_files.as_ref();
                    let files = files.ok_or_else(|| Fault::told("the pod has no files"))?;
                    self.trees.insert(index, clone(path_of(files, *file), Recursion::One)?);
                }
                MountSource::Volume { name, sub_path } => {
                    let volume = site.pod_files.as_ref().and_then(|it| it.volumes.get(name));
                    let volume = volume
                        .ok_or_else(|| Fault::told(format!("the pod has no volume {name}")))?;
                    self.trees.insert(index, volume::open(volume, sub_path.as_deref(), opener)?);
                }
                MountSource::Cgroups => {
                    for place in cgroup.map_or(&[][..], Cgroup::places) {
                        self.cgroups.push(clone_of(&place.directory)?);
                    }
                }
                MountSource::New { .. } => {}
            },
            Action::MakeDevices(nodes) => {
                let bound = nodes.iter().enumerate();
                for (place, node) in bound.filter(|(_, it)| it.made_by == NodeMaking::Bind) {
                    let tree = clone(Path::new(&node.path), Recursion::One)?;
                    verify_device(tree.as_fd(), &node.path, node.device)?;
                    self.nodes.insert((index, place), tree);
                }
            }
            Action::Mask(_) if self.null.is_none() => {
                let null = clone(Path::new("/dev/null"), Recursion::One)?;
                verify_device(null.as_fd(), "/dev/null", Some(NULL))?;
                self.null = Some(null);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Verifies that a descriptor is that device and not something that was put in its place
/// (CVE-2025-31133).
pub(crate) fn verify_device(fd: impl AsFd, path: &str, expected: Option<Device>) -> Done {
    let found = fstat(fd).call("fstat")?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice => Some(DeviceKind::Character),
        FileType::BlockDevice => Some(DeviceKind::Block),
        FileType::Fifo if expected.is_none() => return Ok(()),
        FileType::RegularFile
        | FileType::Directory
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::Unknown => None,
    };
    let (major, minor) = (major(found.st_rdev), minor(found.st_rdev));
    match (kind.map(|kind| Device { kind, major, minor }), expected) {
        (Some(found), Some(expected)) if found == expected => Ok(()),
        (_, Some(expected)) => Err(Fault::told(format!("{path} is not the device {expected}"))),
        (_, None) => Err(Fault::told(format!("{path} is not a FIFO"))),
    }
}

fn clone(path: &Path, recursion: Recursion) -> Done<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let flags = match recursion {
        Recursion::One => flags,
        Recursion::All => flags | OpenTreeFlags::AT_RECURSIVE,
    };
    Ok(open_tree(CWD, path, flags).call("open_tree")?)
}

fn clone_of(directory: &OwnedFd) -> Done<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(directory, c"", flags).call("open_tree(cgroup)")?)
}

fn path_of(files: &PodFiles, file: PodFile) -> &Path {
    match file {
        PodFile::Hosts => &files.hosts,
        PodFile::Hostname => &files.hostname,
        PodFile::ResolvConf => &files.resolv_conf,
        PodFile::SharedMemory => &files.shared_memory,
    }
}

const NULL: Device = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
