//! `linux.resources`: what a cgroup limits.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::linux::DeviceKind;

/// `linux.resources`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Which devices may be used; later rules count more.
    pub devices: Vec<DeviceRule>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Processors.
    pub cpu: Option<Cpu>,
    /// Processes.
    pub pids: Option<Pids>,
    /// Disks.
    #[serde(rename = "blockIO")]
    pub block_io: Option<BlockIo>,
    /// Huge pages, by size.
    pub hugepage_limits: Vec<HugepageLimit>,
    /// Traffic classes (cgroup v1).
    pub network: Option<Network>,
    /// RDMA, by device.
    pub rdma: BTreeMap<String, Rdma>,
    /// Files of the cgroup (v2) and what to write to them.
    pub unified: BTreeMap<String, String>,
}

/// An element of `linux.resources.devices`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct DeviceRule {
    /// Whether the devices may be used.
    pub allow: bool,
    /// What they are. All kinds if not said.
    #[serde(rename = "type")]
    pub kind: Option<DeviceKind>,
    /// The major number. All if not said.
    pub major: Option<i64>,
    /// The minor number. All if not said.
    pub minor: Option<i64>,
    /// Of `r`, `w` and `m` (mknod). All if not said.
    pub access: Option<String>,
}

/// `linux.resources.memory`, in bytes. -1 is without limit.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// The most.
    pub limit: Option<i64>,
    /// The soft limit.
    pub reservation: Option<i64>,
    /// Memory and swap together.
    pub swap: Option<i64>,
    /// Kernel memory (v1, gone from Linux).
    pub kernel: Option<i64>,
    /// Kernel memory for TCP (v1).
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Option<i64>,
    /// How eagerly to swap, 0 to 100 (v1).
    pub swappiness: Option<u64>,
    /// Whether processes wait instead of being killed (v1).
    #[serde(rename = "disableOOMKiller")]
    pub disable_oom_killer: Option<bool>,
    /// Whether children count (v1).
    pub use_hierarchy: Option<bool>,
    /// Whether a limit below what is used is refused.
    pub check_before_update: Option<bool>,
}

/// `linux.resources.cpu`. Times in microseconds.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    /// The share when processors are busy.
    pub shares: Option<u64>,
    /// Time per period.
    pub quota: Option<i64>,
    /// Unused time that may be saved up.
    pub burst: Option<u64>,
    /// The period.
    pub period: Option<u64>,
    /// Real-time time per period (v1).
    pub realtime_runtime: Option<i64>,
    /// The real-time period (v1).
    pub realtime_period: Option<u64>,
    /// Processors: `0-3,7`.
    pub cpus: Option<String>,
    /// NUMA nodes: `0-1`.
    pub mems: Option<String>,
    /// 1: scheduled only when nothing else runs.
    pub idle: Option<i64>,
}

/// `linux.resources.pids`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct Pids {
    /// The most. -1 is without limit.
    pub limit: i64,
}

/// `linux.resources.blockIO`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct BlockIo {
    /// The share when disks are busy.
    pub weight: Option<u16>,
    /// The same against child cgroups (v1).
    pub leaf_weight: Option<u16>,
    /// Shares by device.
    pub weight_device: Vec<WeightDevice>,
    /// Bytes read per second.
    pub throttle_read_bps_device: Vec<ThrottleDevice>,
    /// Bytes written per second.
    pub throttle_write_bps_device: Vec<ThrottleDevice>,
    /// Reads per second.
    #[serde(rename = "throttleReadIOPSDevice")]
    pub throttle_read_iops_device: Vec<ThrottleDevice>,
    /// Writes per second.
    #[serde(rename = "throttleWriteIOPSDevice")]
    pub throttle_write_iops_device: Vec<ThrottleDevice>,
}

/// A device and its share.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WeightDevice {
    /// The major number.
    pub major: i64,
    /// The minor number.
    pub minor: i64,
    /// The share.
    pub weight: Option<u16>,
    /// The same against child cgroups (v1).
    pub leaf_weight: Option<u16>,
}

/// A device and its rate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct ThrottleDevice {
    /// The major number.
    pub major: i64,
    /// The minor number.
    pub minor: i64,
    /// Per second.
    pub rate: u64,
}

/// An element of `linux.resources.hugepageLimits`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HugepageLimit {
    /// `2MB`.
    pub page_size: String,
    /// Bytes.
    pub limit: u64,
}

/// `linux.resources.network`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Network {
    /// The class of packets.
    #[serde(rename = "classID")]
    pub class_id: Option<u32>,
    /// Priorities by interface.
    pub priorities: Vec<InterfacePriority>,
}

/// An interface and its priority.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct InterfacePriority {
    /// The interface.
    pub name: String,
    /// The priority.
    pub priority: u32,
}

/// A value of `linux.resources.rdma`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Rdma {
    /// The most handles.
    pub hca_handles: Option<u32>,
    /// The most objects.
    pub hca_objects: Option<u32>,
}
