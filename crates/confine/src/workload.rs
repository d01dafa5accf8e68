//! The other half of a container: what it runs, beside what it may do.

use crate::plan::{Propagation, Terminal};
use crate::{Origin, Sourced};

/// What a container runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workload {
    /// Program and arguments; at least one.
    pub arguments: Sourced<Vec<String>>,
    /// `NAME=value`, later ones win.
    pub environment: Vec<String>,
    /// Absolute path in the container.
    pub working_directory: Sourced<String>,
    /// Mounts, in order.
    pub mounts: Vec<(Mount, Origin)>,
    /// Standard streams.
    pub terminal: Terminal,
    /// Whether standard input is open.
    pub stdin: Stdin,
    /// Resource limits.
    pub rlimits: Vec<(Rlimit, Origin)>,
    /// The OOM killer's preference, -1000 to 1000; `None` leaves ours.
    pub oom_score_adj: Option<Sourced<i32>>,
    /// Signal that asks it to end, as an image spells it (`SIGTERM`, `15`).
    pub stop_signal: Sourced<String>,
}

/// Standard input of a workload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// The starter's, or a pipe that it holds.
    Open,
}

/// A resource limit of a process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rlimit {
    /// Name without prefix, lower case: `nofile`.
    pub resource: String,
    /// `None` is no limit.
    pub soft: Option<u64>,
    /// `None` is no limit.
    pub hard: Option<u64>,
}

/// One mount of a container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    /// Absolute path in the container; resolved in its root, made if it is missing.
    pub target: String,
    /// What is mounted.
    pub source: MountSource,
    /// Flags of the mount.
    pub flags: MountFlags,
    /// How events travel; `None` is private.
    pub propagation: Option<Propagation>,
}

/// What is mounted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MountSource {
    /// A new file system.
    New {
        /// Kind: `proc`, `tmpfs` …
        kind: String,
        /// Source name, for kinds that show one.
        name: String,
        /// `key=value` or `flag`, as `fsconfig(2)` takes them.
        options: Vec<String>,
    },
    /// The container's view of the cgroup hierarchies.
    Cgroups,
    /// A path of the host.
    Bind {
        /// Absolute path on the host.
        path: String,
        /// Whether mounts below come along.
        recursion: Recursion,
    },
    /// A file or directory that the runtime keeps for the pod.
    PodFile(PodFile),
    /// One of the pod's volumes.
    Volume {
        /// Its name.
        name: String,
        /// A path below its root; `None` is all of it.
        sub_path: Option<String>,
    },
}

/// Files that the runtime keeps for a pod.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PodFile {
    /// `/etc/hosts`.
    Hosts,
    /// `/etc/hostname`.
    Hostname,
    /// `/etc/resolv.conf`.
    ResolvConf,
    /// `/dev/shm`, shared by the containers of a pod.
    SharedMemory,
}

/// Whether something holds for mounts below, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recursion {
    /// This mount alone.
    One,
    /// And everything mounted below it.
    All,
}

/// Flags of a mount, each with what they hold for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MountFlags {
    /// Nothing can be written.
    pub read_only: Option<Recursion>,
    /// Set-user-id bits and file capabilities have no effect.
    pub no_suid: Option<Recursion>,
    /// Device nodes cannot be opened.
    pub no_dev: Option<Recursion>,
    /// Nothing can be executed.
    pub no_exec: Option<Recursion>,
    /// Access times are not kept.
    pub no_atime: Option<Recursion>,
    /// Access times are kept on every access.
    pub strict_atime: Option<Recursion>,
    /// Directory access times are not kept.
    pub no_dir_atime: Option<Recursion>,
    /// Symbolic links are not followed.
    pub no_symlink_follow: Option<Recursion>,
}
