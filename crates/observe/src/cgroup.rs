//! Where a process stands in the cgroup hierarchies, and what its controllers say.
//!
//! `/proc/<pid>/cgroup` names a directory in each hierarchy; where the hierarchy is mounted is
//! found in the observer's own mounts. Both are seen from the observer's cgroup namespace: what
//! lies outside of it is unreadable.
//!
//! A controller is either on a v1 hierarchy or on the unified one. On hosts that mount both, the
//! v1 ones have most controllers, while device programs can be attached to the unified one all the
//! same.
//!
//! Source: cgroups(7), cgroup_namespaces(7).

mod devices;
mod limits;

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use rustix::fs::CWD;
use stockade_abi::Why;
use stockade_abi::host::{CgroupV2, Cgroups as HostCgroups};

pub(crate) use self::devices::devices;
pub(crate) use self::limits::limits;
use crate::file::{self, SMALL};
use crate::mountinfo::{Mount, MountTable, Mounts};
use crate::subject::Subject;

/// The hierarchies that the observer has mounted and can see: whole ones before parts of them.
#[derive(Debug)]
pub(crate) struct Hierarchies(Vec<Mount>);

/// The place of one process in them.
#[derive(Debug)]
pub(crate) struct Cgroups {
    hierarchies: Result<Hierarchies, Why>,
    memberships: Result<Vec<Membership>, Why>,
}

/// A line of `/proc/<pid>/cgroup`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Membership {
    /// Empty for the unified hierarchy.
    controllers: Vec<Vec<u8>>,
    path: Vec<u8>,
}

/// A cgroup's directory, and where its hierarchy begins for the observer.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Directory {
    top: Vec<u8>,
    path: Vec<u8>,
}

/// Where a controller is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Controller {
    V1(Directory),
    V2(Directory),
    /// In no hierarchy: the kernel limits nothing by it.
    Nowhere,
}

impl Hierarchies {
    /// Reads the observer's own mounts.
    pub(crate) fn read(procfs: BorrowedFd<'_>) -> Result<Self, Why> {
        Mounts::read(file::open_path(procfs, b"thread-self")?).map(|it| Self::of(&it.table))
    }

    fn of(table: &MountTable) -> Self {
        let root = table.top_of_root();
        let visible =
            |it: &&Mount| root.is_none_or(|root| table.covering(root, &it.point).id == it.id);
        let cgroups = table.iter().filter(|it| it.file_system.starts_with(b"cgroup"));
        let mut mounts: Vec<_> = cgroups.filter(visible).cloned().collect();
        mounts.sort_by_key(|it| it.root.len());
        Self(mounts)
    }

    /// What a plan can use of them.
    pub(crate) fn cgroups(&self) -> Result<HostCgroups, Why> {
        let mut v1 = BTreeMap::new();
        for mount in self.0.iter().filter(|it| it.file_system == b"cgroup") {
            for option in mount.options.iter().filter(|it| V1_CONTROLLERS.contains(&it.as_slice()))
            {
                let (Ok(name), Ok(point)) = (str::from_utf8(option), str::from_utf8(&mount.point))
                else {
                    continue;
                };
                v1.entry(name.to_owned()).or_insert_with(|| point.to_owned());
            }
        }
        Ok(HostCgroups { v1, v2: self.unified()? })
    }

    fn unified(&self) -> Result<Option<CgroupV2>, Why> {
        let Some(mount) = self.v2() else { return Ok(None) };
        let Ok(point) = str::from_utf8(&mount.point) else { return Ok(None) };
        let names = file::text(CWD, format!("{point}/cgroup.controllers").as_bytes(), SMALL)?;
        let controllers: Vec<_> = names.split_ascii_whitespace().map(str::to_owned).collect();
        let useful = !controllers.is_empty();
        Ok(useful.then(|| CgroupV2 { mount: point.to_owned(), controllers }))
    }

    fn v1(&self, controller: &[u8]) -> Option<&Mount> {
        let has = |it: &&Mount| it.options.iter().any(|option| option == controller);
        self.0.iter().filter(|it| it.file_system == b"cgroup").find(has)
    }

    fn v2(&self) -> Option<&Mount> {
        self.0.iter().find(|it| it.file_system == b"cgroup2")
    }
}

impl Cgroups {
    /// Reads where a process stands.
    pub(crate) fn read(subject: &Subject) -> Self {
        let lines = subject.bytes("cgroup", SMALL).map_err(Why::from);
        Self {
            hierarchies: Hierarchies::read(subject.procfs()),
            memberships: lines.and_then(|it| parse(&it)),
        }
    }

    /// Where one controller is.
    fn controller(&self, name: &str) -> Result<Controller, Why> {
        let hierarchies = self.hierarchies.as_ref().map_err(Why::clone)?;
        let memberships = self.memberships.as_ref().map_err(Why::clone)?;
        let v1 =
            memberships.iter().find(|it| it.controllers.iter().any(|it| it == name.as_bytes()));
        if let Some(membership) = v1 {
            let mount = hierarchies.v1(name.as_bytes());
            let mount = mount.ok_or_else(|| Why(format!("controller {name} is not mounted")))?;
            return membership.directory(mount).map(Controller::V1);
        }
        Ok(self.unified()?.map_or(Controller::Nowhere, Controller::V2))
    }

    /// Its directory in the unified hierarchy; `None` if there is no such hierarchy.
    fn unified(&self) -> Result<Option<Directory>, Why> {
        let hierarchies = self.hierarchies.as_ref().map_err(Why::clone)?;
        let memberships = self.memberships.as_ref().map_err(Why::clone)?;
        let unified = memberships.iter().find(|it| it.controllers.is_empty());
        let Some(membership) = unified else { return Ok(None) };
        let mount = hierarchies.v2();
        let mount = mount.ok_or_else(|| Why("the unified cgroups are not mounted".to_owned()))?;
        membership.directory(mount).map(Some)
    }
}

impl Membership {
    fn directory(&self, mount: &Mount) -> Result<Directory, Why> {
        let shown = || String::from_utf8_lossy(&self.path).escape_debug().to_string();
        if self.path.starts_with(b"/..") {
            let why = format!("cgroup {} is outside of the observer's cgroup namespace", shown());
            return Err(Why(why));
        }
        // A part of a hierarchy can be mounted; the paths of cgroups begin at the whole's root.
        let root = mount.root.strip_suffix(b"/").unwrap_or(&mount.root);
        let below = self.path.strip_prefix(root).filter(|it| it.is_empty() || it[0] == b'/');
        let below =
            below.ok_or_else(|| Why(format!("cgroup {} is not below what is mounted", shown())))?;
        let below = below.strip_suffix(b"/").unwrap_or(below);
        let path = [mount.point.as_slice(), below].concat();
        file::open_path(CWD, &path)?;
        Ok(Directory { top: mount.point.clone(), path })
    }
}

impl Directory {
    /// This directory and those above it, up to the top of the hierarchy.
    fn upwards(&self) -> impl Iterator<Item = &[u8]> {
        let mut next = Some(self.path.as_slice());
        std::iter::from_fn(move || {
            let current = next?;
            let parent = current.iter().rposition(|it| *it == b'/').map(|at| &current[..at]);
            next = parent.filter(|it| it.len() >= self.top.len() && current != self.top);
            Some(current)
        })
    }
}

/// Reads lines of `number:controllers:path`. The kernel allows no line break in a path.
fn parse(content: &[u8]) -> Result<Vec<Membership>, Why> {
    let lines = content.split(|it| *it == b'\n').filter(|it| !it.is_empty());
    let memberships = lines.map(|line| {
        let mut fields = line.splitn(3, |it| *it == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let controllers = controllers.split(|it| *it == b',').filter(|it| !it.is_empty());
        let controllers = controllers.map(<[u8]>::to_vec).collect();
        path.starts_with(b"/").then(|| Membership { controllers, path: path.to_vec() })
    });
    let all = memberships.collect::<Option<_>>();
    all.ok_or_else(|| Why("a line of /proc/<pid>/cgroup is malformed".to_owned()))
}

/// The controllers of `linux/cgroup_subsys.h` by their v1 names; other options of a mount are
/// settings and names.
const V1_CONTROLLERS: &[&[u8]] = &[
    b"cpuset",
    b"cpu",
    b"cpuacct",
    b"blkio",
    b"memory",
    b"devices",
    b"freezer",
    b"net_cls",
    b"perf_event",
    b"net_prio",
    b"hugetlb",
    b"pids",
    b"rdma",
    b"misc",
];

#[cfg(test)]
mod tests;
