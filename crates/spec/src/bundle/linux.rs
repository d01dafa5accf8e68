//! `linux`: namespaces, devices, masks, labels and the rest.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::resources::Resources;

/// `linux`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux {
    /// Namespaces to create or to join; the runtime's own for the others.
    pub namespaces: Vec<Namespace>,
    /// User ids of a new user namespace.
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of a new user namespace.
    pub gid_mappings: Vec<IdMapping>,
    /// Device files, besides the usual ones.
    pub devices: Vec<Device>,
    /// The path of the cgroup, in the manager's own language.
    pub cgroups_path: Option<String>,
    /// Limits.
    pub resources: Option<Resources>,
    /// How mounts propagate from and to the root.
    pub rootfs_propagation: Option<Propagation>,
    /// The seccomp profile, for `stockade-seccomp` to read.
    pub seccomp: Option<Unread>,
    /// Kernel parameters.
    pub sysctl: BTreeMap<String, String>,
    /// Paths that cannot be read inside.
    pub masked_paths: Vec<String>,
    /// Paths that cannot be written inside.
    pub readonly_paths: Vec<String>,
    /// The SELinux context of mounts.
    pub mount_label: Option<String>,
    /// The execution domain.
    pub personality: Option<Personality>,
    /// Cache and memory bandwidth.
    pub intel_rdt: Option<IntelRdt>,
    /// Clocks of a new time namespace: `monotonic`, `boottime`.
    pub time_offsets: BTreeMap<String, TimeOffset>,
    /// Network interfaces that move into the container, by their name outside.
    pub net_devices: BTreeMap<String, NetDevice>,
    /// The NUMA policy.
    pub memory_policy: Option<MemoryPolicy>,
}

/// An element of `linux.namespaces`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Namespace {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    /// The one to join, absolute. A new one if not said.
    pub path: Option<String>,
}

/// An object in another language: see [`Bundle::written`](super::Bundle::written).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct Unread {}

/// `linux.namespaces[].type`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    /// Cgroups as seen in `/proc`.
    Cgroup,
    /// System V objects and POSIX queues.
    Ipc,
    /// Mounts.
    Mount,
    /// Interfaces, ports, routes.
    Network,
    /// Process ids.
    Pid,
    /// Clocks since boot.
    Time,
    /// Ids and capabilities.
    User,
    /// Host and domain name.
    Uts,
}

/// One line of an id map.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct IdMapping {
    /// The first id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// The first id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// An element of `linux.devices`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Where it appears inside.
    pub path: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: DeviceKind,
    /// The major number. Not for FIFOs.
    pub major: Option<i64>,
    /// The minor number. Not for FIFOs.
    pub minor: Option<i64>,
    /// Permissions.
    pub file_mode: Option<u32>,
    /// The owner, inside.
    pub uid: Option<u32>,
    /// The group, inside.
    pub gid: Option<u32>,
}

/// `type` of a device or of a rule about devices.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
pub enum DeviceKind {
    /// All (in rules only).
    #[serde(rename = "a")]
    All,
    /// Block.
    #[serde(rename = "b")]
    Block,
    /// Character.
    #[serde(rename = "c")]
    Character,
    /// Character, unbuffered: the same to Linux.
    #[serde(rename = "u")]
    Unbuffered,
    /// FIFO.
    #[serde(rename = "p")]
    Fifo,
}

/// `linux.rootfsPropagation`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Both ways.
    Shared,
    /// Into the container only.
    Slave,
    /// Not at all.
    Private,
    /// Not at all, and not to be bound elsewhere.
    Unbindable,
    /// `Shared`, with all mounts below.
    Rshared,
    /// `Slave`, with all mounts below.
    Rslave,
    /// `Private`, with all mounts below.
    Rprivate,
    /// `Unbindable`, with all mounts below.
    Runbindable,
}

/// `linux.personality`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Personality {
    /// The domain.
    pub domain: PersonalityDomain,
    /// Flags as written; the specification defines none.
    #[serde(default)]
    pub flags: Vec<String>,
}

/// `linux.personality.domain`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub enum PersonalityDomain {
    /// The machine's own.
    Linux,
    /// `uname` speaks of a 32-bit machine.
    Linux32,
}

/// `linux.intelRdt`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct IntelRdt {
    /// The class of service.
    #[serde(rename = "closID")]
    pub clos_id: Option<String>,
    /// Lines for the `schemata` file.
    pub schemata: Vec<String>,
    /// The line for the L3 cache.
    pub l3_cache_schema: Option<String>,
    /// The line for memory bandwidth.
    pub mem_bw_schema: Option<String>,
    /// Whether cache use is measured.
    #[serde(rename = "enableCMT")]
    pub enable_cmt: Option<bool>,
    /// Whether bandwidth is measured.
    #[serde(rename = "enableMBM")]
    pub enable_mbm: Option<bool>,
    /// Whether the container gets a monitoring group.
    pub enable_monitoring: Option<bool>,
}

/// A value of `linux.timeOffsets`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct TimeOffset {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds.
    pub nanosecs: u32,
}

/// A value of `linux.netDevices`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct NetDevice {
    /// Its name inside, if that is another one.
    pub name: Option<String>,
}

/// `linux.memoryPolicy`, for set_mempolicy(2).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct MemoryPolicy {
    /// The mode.
    pub mode: MemoryPolicyMode,
    /// NUMA nodes: `0-1,3`.
    pub nodes: Option<String>,
    /// `MPOL_F_STATIC_NODES` and the like, as written.
    #[serde(default)]
    pub flags: Vec<String>,
}

/// `linux.memoryPolicy.mode`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
pub enum MemoryPolicyMode {
    /// The system's.
    #[serde(rename = "MPOL_DEFAULT")]
    Default,
    /// These nodes only.
    #[serde(rename = "MPOL_BIND")]
    Bind,
    /// These nodes in turns.
    #[serde(rename = "MPOL_INTERLEAVE")]
    Interleave,
    /// These nodes in turns, by weight.
    #[serde(rename = "MPOL_WEIGHTED_INTERLEAVE")]
    WeightedInterleave,
    /// This node first.
    #[serde(rename = "MPOL_PREFERRED")]
    Preferred,
    /// These nodes first.
    #[serde(rename = "MPOL_PREFERRED_MANY")]
    PreferredMany,
    /// The node of the processor.
    #[serde(rename = "MPOL_LOCAL")]
    Local,
}
