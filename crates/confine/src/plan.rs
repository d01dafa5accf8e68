//! What happens between the decision to start a process and its `execve`, as data.
//!
//! A plan can be printed, compared, stored and tested without a kernel. `stockade-runtime` does
//! the steps in order and decides nothing. **The order of [`Stage`]'s variants is the order of the
//! steps**, and this file is the only place that knows it.
//!
//! Host and child walk the same list. Each does the steps of its own side; where the side changes
//! they meet.

use stockade_abi::bpf::Program;
use stockade_abi::facts::DeviceRule;
use stockade_abi::{CapabilitySet, CapabilitySets, IdMap, NamespaceSet};

use crate::Origin;
use crate::limits::Limits;
use crate::workload::{Mount, Rlimit};

/// When a step happens.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Limits and the device controller exist before the process that they bind.
    Cgroup,
    /// New namespaces are made at birth; a user namespace comes first and owns the others.
    Birth,
    /// Only the parent may write them, once, before anything in the child needs an id.
    IdMaps,
    /// The child leaves our cgroup, so that everything it does from here on is counted and bound.
    CgroupEntry,
    /// Its root must be the container's own cgroup: after the entry.
    CgroupNamespace,
    /// Before files are touched: an id that is not mapped makes `EOVERFLOW`.
    UsernsRoot,
    /// Namespaces of the pod, made earlier; before mounts, since `sysfs` and `mqueue` belong to
    /// the network and IPC namespace of whoever mounts them.
    JoinNamespaces,
    /// Before everything that could see the network.
    Network,
    /// Needs the UTS namespace only.
    Hostname,
    /// Through the host's own `/proc`, before the container's mounts exist: nothing that an image
    /// brings can stand in the way (CVE-2025-52881).
    Sysctls,
    /// Handles for the security label, for the same reason.
    LabelHandles,
    /// No mount event may reach the host.
    Propagation,
    /// The root file system, as a detached or private mount.
    RootMount,
    /// By file descriptor below the root, never by path through it.
    Mounts,
    /// Nodes and links in the container's own `/dev`.
    Devices,
    /// The old root goes out of reach.
    PivotRoot,
    /// After everything that makes mount points.
    RootAccess,
    /// After everything that reads or writes `/proc`.
    MaskedPaths,
    /// Needs privilege only to raise.
    Limits,
    /// The caller's session keyring would be readable inside.
    Keyring,
    /// A session of its own, with the terminal as its controlling one.
    Session,
    /// Takes effect at `execve`.
    LsmLabel,
    /// Cannot be undone and needs nothing; filters and the label's exec transition see it.
    NoNewPrivs,
    /// The working directory as root, then verified to be inside (CVE-2024-21626).
    Chdir,
    /// Needs `CAP_SETPCAP`, so before the ids change.
    BoundingSet,
    /// Groups, group, user; permitted capabilities are kept across the change.
    Identity,
    /// The final sets, and `CAP_SYS_ADMIN` beside them where a filter is still to be loaded
    /// without `no_new_privs`.
    CapabilitiesHeld,
    /// Nothing of ours stays open across `execve`.
    Descriptors,
    /// The container is created; it waits here to be started.
    Created,
    /// Without `no_new_privs` a filter needs `CAP_SYS_ADMIN`: after this only `capset` and
    /// `execve` follow, so a profile need allow only those two of our calls.
    SeccompPrivileged,
    /// The final sets. After this no step may need a capability.
    Capabilities,
    /// With `no_new_privs`: the profile need allow `execve` alone.
    SeccompLast,
    /// The child becomes the workload.
    Exec,
    /// The child is held at its first instruction and the kernel's view compared with what was
    /// meant.
    Proof,
}

/// Who does a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The process that starts the container.
    Host,
    /// The process that becomes it.
    Child,
}

impl Stage {
    /// Who does the steps of this stage.
    pub const fn side(self) -> Side {
        match self {
            Self::Cgroup | Self::Birth | Self::IdMaps | Self::Proof => Side::Host,
            Self::CgroupEntry
            | Self::CgroupNamespace
            | Self::UsernsRoot
            | Self::JoinNamespaces
            | Self::Network
            | Self::Hostname
            | Self::Sysctls
            | Self::LabelHandles
            | Self::Propagation
            | Self::RootMount
            | Self::Mounts
            | Self::Devices
            | Self::PivotRoot
            | Self::RootAccess
            | Self::MaskedPaths
            | Self::Limits
            | Self::Keyring
            | Self::Session
            | Self::LsmLabel
            | Self::NoNewPrivs
            | Self::Chdir
            | Self::BoundingSet
            | Self::Identity
            | Self::CapabilitiesHeld
            | Self::Descriptors
            | Self::Created
            | Self::SeccompPrivileged
            | Self::Capabilities
            | Self::SeccompLast
            | Self::Exec => Side::Child,
        }
    }
}

/// One thing to do. Each variant is one function of the runtime.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Makes the cgroup with its limits and device rules.
    MakeCgroup {
        /// Limits to set; those left open are not written.
        limits: Limits,
        /// Device rules, in order; `None` leaves the device controller alone (without privilege).
        devices: Option<Vec<DeviceRule>>,
    },
    /// Makes the child, in new namespaces.
    Birth {
        /// Namespaces made at birth.
        unshare: NamespaceSet,
    },
    /// Writes the maps of the child's user namespace.
    WriteIdMaps {
        /// User ids.
        uids: IdMap,
        /// Group ids.
        gids: IdMap,
        /// Whether groups may be set inside. An ordinary user's map requires `Deny`.
        set_groups: SetGroups,
    },
    /// Moves the child into the cgroup.
    EnterCgroup,
    /// Makes a cgroup namespace rooted at where the child is now.
    UnshareCgroupNamespace,
    /// Becomes user and group 0 of the new user namespace.
    BecomeRoot,
    /// Joins namespaces that exist already; the runtime holds them.
    JoinNamespaces {
        /// Which kinds.
        kinds: NamespaceSet,
    },
    /// Brings the loopback device up.
    LoopbackUp,
    /// Sets the host name.
    SetHostname(String),
    /// Sets the NIS domain name.
    SetDomainname(String),
    /// Writes a sysctl.
    WriteSysctl {
        /// With dots as separators.
        name: String,
        /// As declared.
        value: String,
    },
    /// Opens what the label is written to.
    OpenLabelHandle(SecurityModule),
    /// Cuts mount propagation.
    SetPropagation(Propagation),
    /// Mounts the root file system.
    MountRoot(RootSource),
    /// Mounts one file system or binds one path.
    Mount(Mount),
    /// Fills the container's `/dev` with nodes (bound from the host where they cannot be made) and
    /// the usual links.
    MakeDevices(Vec<DeviceNode>),
    /// Makes the root mount the root.
    PivotRoot,
    /// Makes the root mount read-only.
    RootReadOnly,
    /// Hides a path.
    Mask(String),
    /// Makes a path and everything below it read-only.
    MakeReadOnly(String),
    /// Sets a resource limit.
    SetRlimit(Rlimit),
    /// Sets the OOM killer's preference.
    SetOomScoreAdj(i32),
    /// Joins a new session keyring.
    NewSessionKeyring,
    /// Starts a session.
    NewSession(Terminal),
    /// Asks for a label at `execve`, through the handle opened before.
    SetExecLabel {
        /// Whose label.
        module: SecurityModule,
        /// Profile or context.
        label: String,
    },
    /// Sets the bit.
    SetNoNewPrivs,
    /// Changes the working directory, making it if it is missing, and verifies that it is inside.
    Chdir(String),
    /// Drops what is not in the set from the bounding set.
    LimitBounding(CapabilitySet),
    /// Changes ids and groups; permitted capabilities are kept.
    SetIdentity {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
        /// Supplementary groups; `None` where the user namespace forbids to set them.
        groups: Option<Vec<u32>>,
        /// File mode creation mask.
        umask: Option<u32>,
    },
    /// Sets the four sets that `capset(2)` and `prctl(2)` set (not the bounding set).
    SetCapabilities(CapabilitySets),
    /// Marks every descriptor but the standard ones close-on-exec.
    CloseDescriptors {
        /// How many descriptors above the standard three are handed on (`--preserve-fds`).
        preserved: u32,
    },
    /// Waits for the word to start.
    AwaitStart,
    /// Loads a filter.
    LoadSeccomp(SeccompLoad),
    /// Becomes the workload.
    Exec {
        /// Arguments; the first is looked up in `PATH` of `environment` if it has no slash.
        arguments: Vec<String>,
        /// `NAME=value`.
        environment: Vec<String>,
    },
    /// Holds the child at its first instruction, reads it and compares.
    Prove,
}

/// Whether `setgroups(2)` is allowed in a user namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetGroups {
    /// It is.
    Allow,
    /// It is not, so that nobody can drop a group that denies him something.
    Deny,
}

/// A Linux security module that labels processes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecurityModule {
    /// AppArmor: `/proc/self/attr/apparmor/exec`.
    AppArmor,
    /// SELinux: `/proc/self/attr/exec`.
    SeLinux,
}

/// How mount events travel between the container and the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Propagation {
    /// Not at all.
    Private,
    /// From the host to the container.
    Slave,
    /// Both ways, as an OCI bundle may ask for.
    Shared,
}

/// What the root file system is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RootSource {
    /// Layers of an image under a writable directory of the runtime's.
    Overlay {
        /// Directories, bottom to top.
        layers: Vec<String>,
        /// Whether overlayfs must use `user.` attributes (without root).
        attributes: OverlayAttributes,
    },
    /// A directory of somebody else's, as in an OCI bundle.
    Directory(String),
}

/// Where overlayfs keeps its own attributes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OverlayAttributes {
    /// `trusted.overlay.*`, which needs root.
    Trusted,
    /// `user.overlay.*`.
    User,
}

/// A node in the container's `/dev`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceNode {
    /// Absolute path in the container.
    pub path: String,
    /// Kind and number; `None` for a FIFO.
    pub device: Option<stockade_abi::facts::Device>,
    /// Permission bits.
    pub mode: u32,
    /// Owner inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
    /// Made with `mknod`, or bound from the host's node of the same path.
    pub made_by: NodeMaking,
}

/// How a node comes to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeMaking {
    /// `mknod(2)`, with privilege.
    Mknod,
    /// A bind mount of the host's node.
    Bind,
}

/// Whether the workload gets a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Terminal {
    /// Its standard streams are pipes or files.
    None,
    /// Its standard streams are a new pseudoterminal.
    New,
}

/// A filter and how to load it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeccompLoad {
    /// The compiled filter.
    pub program: Program,
    /// Log what is not allowed (`SECCOMP_FILTER_FLAG_LOG`).
    pub log: LogDenied,
    /// Leave speculation mitigations as they are (`SECCOMP_FILTER_FLAG_SPEC_ALLOW`).
    pub speculation: Speculation,
    /// Who answers for the calls that the filter leaves to a supervisor.
    pub listener: Option<SeccompListener>,
}

/// Who gets the listener of a filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeccompListener {
    /// The profile that asks for it.
    pub profile: String,
    /// The agent's socket, an absolute path of the host's.
    pub path: String,
    /// What the profile has the agent told.
    pub metadata: Option<String>,
    /// What ends a call before its answer.
    pub interruption: Interruption,
}

/// What ends a call that waits for a supervisor's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interruption {
    /// Every signal that the caller handles, and then it asks anew.
    AnySignal,
    /// A fatal signal alone, once the supervisor was asked
    /// (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`).
    Fatal,
}

/// Whether the kernel logs what a filter does not allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogDenied {
    /// As the system is set up.
    AsConfigured,
    /// Every action but allow.
    Always,
}

/// Whether a filter turns on the mitigation of speculative store bypass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speculation {
    /// It does where the system says so.
    Mitigate,
    /// It does not.
    Allow,
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// When.
    pub stage: Stage,
    /// What.
    pub action: Action,
    /// The value it realizes, for the error if the kernel refuses.
    pub because: Origin,
}

impl Step {
    /// A step that realizes a declared or derived value.
    pub const fn new(stage: Stage, action: Action, because: Origin) -> Self {
        Self { stage, action, because }
    }

    /// A step that every process needs.
    pub const fn always(stage: Stage, action: Action, why: &'static str) -> Self {
        Self { stage, action, because: Origin::Default(why) }
    }
}

/// The steps of one process, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan(Vec<Step>);

impl Plan {
    /// Sorts `steps` by stage. The sort is stable, so that steps of one stage keep the order in
    /// which their mechanism gave them.
    pub fn in_stage_order(mut steps: Vec<Step>) -> Self {
        steps.sort_by_key(|step| step.stage);
        Self(steps)
    }

    /// The steps, first to last.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}
