//! What the kernel of a machine can do, and what we may do on it.
//!
//! Measured once by `observe::host`, given to `plan` and `admit`; from there on nothing asks the
//! machine. A host can also be described in a file, to answer for a machine that this one is not.

use std::collections::BTreeMap;
use std::fmt;

use crate::{CapabilitySet, NamespaceSet, Reading};

/// The facts about a machine that decide whether a confinement can be enforced on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host {
    /// The running kernel.
    pub kernel: Kernel,
    /// The highest capability number of that kernel.
    pub last_capability: u8,
    /// Who we are on it.
    pub privilege: Privilege,
    /// Kinds of namespaces that it has.
    pub namespaces: NamespaceSet,
    /// Where and which cgroup controllers there are.
    pub cgroups: Cgroups,
    /// AppArmor.
    pub apparmor: AppArmorSupport,
    /// Whether SELinux is active.
    pub selinux: LsmState,
    /// Seccomp actions in `/proc/sys/kernel/seccomp/actions_avail`; empty without seccomp.
    pub seccomp_actions: Vec<String>,
    /// Highest possible CPU number, for the per-CPU files that confinement masks.
    pub last_cpu: u32,
}

/// A kernel release.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kernel {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// As `uname -r` prints it.
    pub release: String,
}

impl Kernel {
    /// Whether the kernel is at least `major.minor`.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.release)
    }
}

/// Who we are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Privilege {
    /// Root in the initial user namespace or one that looks like it.
    Root {
        /// What we may give to a container at most.
        capabilities: CapabilitySet,
    },
    /// An ordinary user: root only in user namespaces that we make.
    User {
        /// Our user id.
        uid: u32,
        /// Our group id.
        gid: u32,
        /// Whether the kernel lets us make a user namespace, found by doing it.
        user_namespace: Reading<()>,
    },
}

/// How cgroups are mounted. A hierarchy without a controller is of no use for limits and not listed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cgroups {
    /// Mount point of each v1 controller (`devices`, `memory`, `pids`, `cpu` …).
    pub v1: BTreeMap<String, String>,
    /// The unified hierarchy.
    pub v2: Option<CgroupV2>,
}

/// The unified hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CgroupV2 {
    /// Where it is mounted.
    pub mount: String,
    /// Controllers available at its root.
    pub controllers: Vec<String>,
}

/// Whether a security module is active.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LsmState {
    /// It judges processes.
    Active,
    /// The kernel lacks it or it is turned off.
    Inactive,
}

/// AppArmor on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppArmorSupport {
    /// Whether the kernel enforces it (`/sys/module/apparmor/parameters/enabled`).
    pub state: LsmState,
    /// Loaded profiles and their modes; unreadable without the privilege or the file system.
    pub profiles: Reading<BTreeMap<String, String>>,
}
