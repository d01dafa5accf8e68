//! Where a plan is carried out: everything about a process that is of this machine and this moment
//! and therefore not in its plan.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use stockade_abi::NamespaceKind;
use stockade_abi::host::Cgroups;

use crate::cgroup::CgroupPath;
use crate::remove::remove_tree;

/// Where a plan is carried out.
#[derive(Debug)]
pub struct Site<'a> {
    /// How cgroups are mounted on this machine.
    pub cgroups: &'a Cgroups,
    /// The cgroup, in every hierarchy that is used.
    pub cgroup: CgroupPath,
    /// A directory of the runtime's for this process alone, where overlayfs keeps what the process
    /// writes to its root. Exists, and is nobody else's to enter.
    pub scratch: PathBuf,
    /// Files of the pod.
    pub pod_files: Option<PodFiles>,
    /// Namespaces to join.
    pub join: Join,
    /// Standard streams.
    pub streams: Streams,
    /// Whether the process dies with the calling thread.
    pub tie: Tie,
    /// How the word to start reaches it.
    pub gate: Gate,
    /// What others are told about its container.
    pub known: Known,
}

/// What is said about a container to whoever answers for its system calls: the state of the OCI
/// runtime specification, as far as it is known before there is a process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// Its name.
    pub id: String,
    /// Where its bundle is; for a container of a pod, the pod's directory.
    pub bundle: PathBuf,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where its life has got to.
    pub life: Life,
}

/// Where a container's life has got to when a process is made for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// The process is its first.
    Made,
    /// The process joins it.
    Joins {
        /// Its first process, in our PID namespace.
        first: i32,
    },
}

/// What the runtime keeps for a pod: host paths of its files, and its volumes.
#[derive(Clone, Debug)]
pub struct PodFiles {
    /// For `/etc/hosts`.
    pub hosts: PathBuf,
    /// For `/etc/hostname`.
    pub hostname: PathBuf,
    /// For `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// For `/dev/shm`.
    pub shared_memory: PathBuf,
    /// Its volumes, by name.
    pub volumes: BTreeMap<String, VolumeRoot>,
}

/// A volume that was made.
#[derive(Clone, Debug)]
pub struct VolumeRoot {
    /// Where it begins, on the host.
    pub path: PathBuf,
    /// The same, open as a location; containers get it from here.
    pub root: Rc<OwnedFd>,
}

/// Where the namespaces to join are.
#[derive(Debug)]
pub enum Join {
    /// None are joined.
    Nothing,
    /// Each by a descriptor of its own; its type is verified.
    Each(Vec<(NamespaceKind, OwnedFd)>),
    /// Those of a process, by pidfd, so that it cannot become another one meanwhile.
    Of(OwnedFd),
}

/// The standard streams of the process, unless its plan gives it a terminal.
#[derive(Debug)]
pub enum Streams {
    /// Ours.
    Inherited,
    /// These: input, output, errors.
    Given([OwnedFd; 3]),
}

/// Whether the process dies with the thread that made it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tie {
    /// It does. The kernel cuts the tie at an `execve` that changes privileges or, under a security
    /// module, the label: whoever relies on the death of such a process looks at its cgroup.
    DiesWithUs,
    /// It does not.
    Outlives,
}

/// How the word to start reaches a created process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gate {
    /// From the process that created it, which stays: [`Created::start`](crate::Created::start).
    Held,
    /// From any process of ours that can reach this path, which becomes a socket:
    /// [`give_word`](crate::give_word).
    Socket(PathBuf),
}

/// Removes what [`create`](crate::create) put below `scratch`, when the process is gone.
///
/// # Errors
///
/// Those of removing files; that there is nothing is none.
pub fn remove_scratch(scratch: &Path) -> io::Result<()> {
    for name in SCRATCH {
        remove_tree(&scratch.join(name))?;
    }
    Ok(())
}

/// What the container writes.
pub(crate) const UPPER: &str = "upper";
/// Overlayfs's own.
pub(crate) const WORK: &str = "work";
const SCRATCH: [&str; 2] = [UPPER, WORK];
