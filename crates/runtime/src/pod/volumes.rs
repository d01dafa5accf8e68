//! A pod's volumes: made once, before any container.
//!
//! | volume | where it is | how it goes |
//! |---|---|---|
//! | a directory | in the pod's scratch directory | with that |
//! | in memory, and files that are written once | a tmpfs in the supervisor's own mount namespace | with the supervisor |
//! | the same files without root | in the pod's directory | with that |
//! | a path of the host | there | it stays |
//!
//! The pod's directory names the scratch directory before anything is made, so nothing outlives a
//! crash that cannot be found. What containers write is removed by descriptor and without following
//! links (CVE-2017-1002102).
//!
//! What a path of the host leads to is opened once; what was looked at is what is mounted.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{
    CWD, FileType, Gid, Mode, OFlags, fchmod, fchown, fstat, major, minor, mkdirat, openat,
};
use rustix::io::Errno;
use stockade_abi::facts::FileIdentity;
use stockade_abi::host::Privilege;
use stockade_abi::{ProcessFacts, Reading};
use stockade_confine::Sourced;
use stockade_confine::plan::{Action, Plan};
use stockade_confine::volume::{HostPathKind, Volume, VolumeFile, VolumeSource};
use stockade_confine::workload::{Mount, MountSource};
use stockade_sys::mount::MountAttrFlags;
use stockade_sys::{Calls, Refused};

use crate::fault::{Done, Fault};
use crate::site::VolumeRoot;
use crate::step::{mount, volume};
use crate::{Because, Cause};

/// Why a volume was not made.
#[derive(Debug, thiserror::Error)]
#[error("volume {name}: {cause}, because of {because}")]
pub struct VolumeFailed {
    /// Its name.
    pub name: String,
    /// The line that asks for it.
    pub because: Because,
    /// What was refused.
    pub cause: Cause,
}

/// Makes the volumes of a pod: what is mounted below `own`, a directory of the pod's that exists,
/// and what is on disk below `scratch`.
///
/// # Errors
///
/// The first volume that could not be made. What was made goes with the pod.
pub fn make_volumes(
    volumes: &[Sourced<Volume>],
    own: &Path,
    scratch: &Path,
    privilege: &Privilege,
) -> Result<BTreeMap<String, VolumeRoot>, VolumeFailed> {
    let mut all = BTreeMap::new();
    for Sourced { value, origin } in volumes {
        let made = make(value, own, scratch, privilege).map_err(|fault| VolumeFailed {
            name: value.name.clone(),
            because: Because::Origin(origin.clone()),
            cause: fault.into(),
        })?;
        all.insert(value.name.clone(), made);
    }
    Ok(all)
}

/// What a container is expected to see, with the very volumes that were made: each that is mounted
/// as a whole must be seen to be that one. (Which one a path in a volume leads to is found when it
/// is mounted, below the volume's root.)
///
/// # Errors
///
/// Those of looking at a volume.
pub fn pinned(
    expected: &ProcessFacts,
    plan: &Plan,
    volumes: &BTreeMap<String, VolumeRoot>,
) -> io::Result<ProcessFacts> {
    let mut expected = expected.clone();
    for step in plan.steps() {
        let Action::Mount(Mount {
            target,
            source: MountSource::Volume { name, sub_path: None },
            ..
        }) = &step.action
        else {
            continue;
        };
        if let Some(Reading::Known(Some(mount))) = expected.mounts.get_mut(target)
            && let Some(volume) = volumes.get(name)
        {
            let found = fstat(&*volume.root)?;
            let (major, minor) = (major(found.st_dev), minor(found.st_dev));
            mount.file = Reading::Known(FileIdentity { major, minor, inode: found.st_ino });
        }
    }
    Ok(expected)
}

fn make(volume: &Volume, own: &Path, scratch: &Path, privilege: &Privilege) -> Done<VolumeRoot> {
    let Volume { name, kind: _, source, group } = volume;
    let group = group.as_ref().map(|it| it.value);
    let (path, root) = match (source, privilege) {
        (VolumeSource::Directory, _) => {
            let path = directory(&directory(scratch, DISK)?, name)?;
            let root = open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            give(&root, SHARED, WRITABLE, group)?;
            (path, root)
        }
        (VolumeSource::Memory { size }, _) => {
            let size = size.map(|it| format!("size={it}"));
            let options: Vec<String> = size.into_iter().chain(["mode=777".to_owned()]).collect();
            let (path, root) = in_memory(own, name, &options)?;
            give(&root, SHARED, WRITABLE, group)?;
            (path, root)
        }
        (VolumeSource::Files(files), Privilege::Root { .. }) => {
            let (path, root) = in_memory(own, name, &["mode=755".to_owned()])?;
            write_all(&root, files, group)?;
            (path, root)
        }
        (VolumeSource::Files(files), Privilege::User { .. }) => {
            let path = directory(own, name)?;
            let root = open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            write_all(&root, files, group)?;
            (path, root)
        }
        (VolumeSource::Host { path, kind }, _) => (PathBuf::from(path), of_host(path, *kind)?),
    };
    Ok(VolumeRoot { path, root: Rc::new(root) })
}

/// A new tmpfs. What is in it cannot be a device or raise privileges.
fn in_memory(own: &Path, name: &str, options: &[String]) -> Done<(PathBuf, OwnedFd)> {
    let path = directory(own, name)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let made = mount::make("tmpfs", "tmpfs", options, flags)?;
    mount::attach(&made, &open(&path, OFlags::PATH | OFlags::DIRECTORY)?)?;
    // The mount's own descriptor is a location only.
    let root =
        openat(&made, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    Ok((path, root.call("openat(volume)")?))
}

/// Opens what is at a path of the host, if it is what was asked for.
fn of_host(path: &str, kind: HostPathKind) -> Done<OwnedFd> {
    let found = match openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => match kind {
            HostPathKind::Unset | HostPathKind::DirectoryOrCreate => {
                std::fs::create_dir_all(path).map_err(|it| Fault::told(format!("{path}: {it}")))?;
                open(Path::new(path), OFlags::PATH)?
            }
            HostPathKind::FileOrCreate => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(CWD, path, flags, Mode::from_raw_mode(0o644));
                fchmod(made.call("open(hostPath)")?, Mode::from_raw_mode(0o644)).call("fchmod")?;
                open(Path::new(path), OFlags::PATH)?
            }
            HostPathKind::Directory
            | HostPathKind::File
            | HostPathKind::Socket
            | HostPathKind::CharDevice
            | HostPathKind::BlockDevice => return Err(wrong_type(path, kind)),
        },
        found => found.call("open(hostPath)")?,
    };
    let is = FileType::from_raw_mode(fstat(&found).call("fstat")?.st_mode);
    let wanted = match kind {
        HostPathKind::Unset => return Ok(found),
        HostPathKind::DirectoryOrCreate | HostPathKind::Directory => FileType::Directory,
        HostPathKind::FileOrCreate | HostPathKind::File => FileType::RegularFile,
        HostPathKind::Socket => FileType::Socket,
        HostPathKind::CharDevice => FileType::CharacterDevice,
        HostPathKind::BlockDevice => FileType::BlockDevice,
    };
    if is == wanted { Ok(found) } else { Err(wrong_type(path, kind)) }
}

/// The kubelet's words.
fn wrong_type(path: &str, kind: HostPathKind) -> Fault {
    let what = match kind {
        HostPathKind::Unset | HostPathKind::DirectoryOrCreate | HostPathKind::Directory => {
            "directory"
        }
        HostPathKind::FileOrCreate | HostPathKind::File => "file",
        HostPathKind::Socket => "socket file",
        HostPathKind::CharDevice => "character device",
        HostPathKind::BlockDevice => "block device",
    };
    Fault::told(format!("hostPath type check failed: {path} is not a {what}"))
}

/// Writes the files of a volume that nobody has seen yet.
fn write_all(root: &OwnedFd, files: &[VolumeFile], group: Option<u32>) -> Done {
    give(root, 0o755, READABLE, group)?;
    for VolumeFile { path, content, mode } in files {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let parent = volume::below(root, parent)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&parent, name, flags, Mode::from_raw_mode(0o600));
        let file = file.map_err(|errno| about(path, Refused::from_rustix("openat", errno)))?;
        let mut rest = content.bytes();
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest).call("write")?;
            rest = rest.get(written..).unwrap_or_default();
        }
        give(&file, *mode, READABLE_FILE, group)?;
    }
    for VolumeFile { path, .. } in files {
        give_parents(root, path, group)?;
    }
    Ok(())
}

/// Directories that were made on the way belong to the group, too.
fn give_parents(root: &OwnedFd, path: &str, group: Option<u32>) -> Done {
    let mut rest = path;
    while let Some((parent, _)) = rest.rsplit_once('/') {
        let directory = volume::below(root, parent)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(&directory, c".", flags, Mode::empty()).call("openat")?;
        give(&directory, 0o755, READABLE, group)?;
        rest = parent;
    }
    Ok(())
}

/// Gives a file or directory its permissions and, if there is one, to a group.
fn give(file: impl AsFd, mode: u32, of_group: u32, group: Option<u32>) -> Done {
    let mode = match group {
        None => mode,
        Some(group) => {
            // Before the mode: the kernel takes the set-group-id bit away with the owner.
            fchown(&file, None, Some(Gid::from_raw(group))).call("fchown(fsGroup)")?;
            mode | of_group
        }
    };
    Ok(fchmod(&file, Mode::from_raw_mode(mode)).call("fchmod")?)
}

/// Makes a directory of ours, if it is not there.
fn directory(parent: &Path, name: &str) -> Done<PathBuf> {
    let path = parent.join(name);
    match mkdirat(CWD, &path, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => Ok(path),
        Err(errno) => Err(about(&path.display().to_string(), Refused::from_rustix("mkdir", errno))),
    }
}

fn open(path: &Path, flags: OFlags) -> Done<OwnedFd> {
    let opened = openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
    opened
        .map_err(|errno| about(&path.display().to_string(), Refused::from_rustix("openat", errno)))
}

fn about(path: &str, refused: Refused) -> Fault {
    Fault::told(format!("{} from {} of {path}", refused.errno, refused.call))
}

/// Beside the containers' own directories: no container is called like this.
const DISK: &str = ".volumes";
/// What everybody may write, as a kubelet makes it.
const SHARED: u32 = 0o777;
/// What a group gets of a directory that it may write: a kubelet's masks.
const WRITABLE: u32 = 0o2770;
/// What it gets of a directory that was written once.
const READABLE: u32 = 0o2550;
/// What it gets of a file that was written once.
const READABLE_FILE: u32 = 0o440;
