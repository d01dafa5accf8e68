//! A mounted cgroup hierarchy, and its files by path below the mount point.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, openat2};
use rustix::io::Errno;
use stockade_abi::host::Cgroups;
use stockade_sys::{Calls, Refused};

use crate::fault::{Done, Fault};

/// The generation of a hierarchy's interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// One of several hierarchies.
    V1,
    /// The unified one.
    V2,
}

/// A mounted hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hierarchy<'a> {
    pub(crate) version: Version,
    pub(crate) mount: &'a str,
    /// Its controllers, those of one v1 mount together.
    pub(crate) controllers: Vec<&'a str>,
}

/// The hierarchies of a machine, the unified one first.
pub(crate) fn hierarchies(cgroups: &Cgroups) -> Vec<Hierarchy<'_>> {
    let mut v1: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (controller, mount) in &cgroups.v1 {
        v1.entry(mount).or_default().push(controller);
    }
    let v2 = cgroups.v2.iter().map(|v2| Hierarchy {
        version: Version::V2,
        mount: &v2.mount,
        controllers: v2.controllers.iter().map(String::as_str).collect(),
    });
    let v1 = v1.into_iter().map(|(mount, controllers)| Hierarchy {
        version: Version::V1,
        mount,
        controllers,
    });
    v2.chain(v1).collect()
}

impl Hierarchy<'_> {
    /// Opens the mount point and verifies what is mounted there.
    pub(crate) fn open(&self) -> Done<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mount = rustix::fs::openat(CWD, self.mount, flags, Mode::empty())
            .call("open(cgroup mount point)")?;
        let magic = fstatfs(&mount).call("fstatfs(cgroup mount point)")?.f_type;
        let expected = match self.version {
            Version::V1 => CGROUP_SUPER_MAGIC,
            Version::V2 => CGROUP2_SUPER_MAGIC,
        };
        if magic != expected {
            return Err(Fault::told(format!("{} is not a cgroup hierarchy", self.mount)));
        }
        Ok(mount)
    }
}

/// Opens what is at `path` below a mount point (or another directory of a hierarchy).
pub(crate) fn open_below(top: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Refused> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    openat2(top, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).call("openat2(cgroup)")
}

/// Writes a value to a file of a cgroup, in one piece.
pub(crate) fn write(top: &OwnedFd, path: &str, value: &str) -> Done {
    write_each(top, path, [value].into_iter())
}

/// Writes values to a file of a cgroup, each in one piece.
pub(crate) fn write_each<'v>(
    top: &OwnedFd,
    path: &str,
    values: impl Iterator<Item = &'v str>,
) -> Done {
    let file = open_below(top, path, OFlags::WRONLY).map_err(|refused| {
        Fault::told(format!("{} from {} of {path}", refused.errno, refused.call))
    })?;
    for value in values {
        match rustix::io::write(&file, value.as_bytes()).call("write") {
            Ok(written) if written == value.len() => {}
            Ok(_) => return Err(Refused::from_rustix("write(cgroup)", Errno::IO).into()),
            Err(Refused { call, errno }) => {
                let what = format!("{errno} from {call} of `{value}` to {path}");
                return Err(Fault::told(what));
            }
        }
    }
    Ok(())
}

/// Reads a file of a cgroup.
pub(crate) fn read(top: &OwnedFd, path: &str) -> Result<String, Refused> {
    let file = open_below(top, path, OFlags::RDONLY)?;
    let mut text = Vec::new();
    loop {
        let length = text.len();
        text.resize(length + 4096, 0);
        let more = rustix::io::read(&file, &mut text[length..]).call("read(cgroup)")?;
        text.truncate(length + more);
        if more == 0 {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

const CGROUP_SUPER_MAGIC: rustix::fs::FsWord = 0x0027_e0eb;
const CGROUP2_SUPER_MAGIC: rustix::fs::FsWord = 0x6367_7270;
