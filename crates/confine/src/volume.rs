//! A pod's volumes, meant: what they are made of. Which container sees which is a mechanism.

use stockade_spec::Content;

use crate::Sourced;

/// A volume of a pod. Made once, before any container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Volume {
    /// Its name in the manifest, a DNS label.
    pub name: String,
    /// How the manifest calls what it is.
    pub kind: VolumeKind,
    /// What it is made of.
    pub source: VolumeSource,
    /// Whose group it is given to (`fsGroup`); `None` leaves it to who makes it.
    pub group: Option<Sourced<u32>>,
}

/// The kind of a volume, as manifests call it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VolumeKind {
    /// `emptyDir`.
    EmptyDir,
    /// `emptyDir` with `medium: Memory`.
    Memory,
    /// `hostPath`.
    HostPath,
    /// `configMap`.
    ConfigMap,
    /// `secret`.
    Secret,
    /// `projected`.
    Projected,
    /// `downwardAPI`.
    DownwardApi,
}

/// What a volume is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VolumeSource {
    /// An empty directory on disk.
    Directory,
    /// An empty file system in memory.
    Memory {
        /// Most bytes in it; `None` leaves that to the kernel.
        size: Option<u64>,
    },
    /// A path of the host.
    Host {
        /// Absolute.
        path: String,
        /// What must be there.
        kind: HostPathKind,
    },
    /// Files that are written once, in a file system in memory.
    Files(Vec<VolumeFile>),
}

/// What must be at a path of the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostPathKind {
    /// Anything; a directory is made if there is nothing.
    Unset,
    /// A directory, which is made if there is nothing.
    DirectoryOrCreate,
    /// A directory.
    Directory,
    /// A regular file, which is made if there is nothing.
    FileOrCreate,
    /// A regular file.
    File,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// A file that is written for a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VolumeFile {
    /// Relative to the volume's root, without `..`.
    pub path: String,
    /// What it holds.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
}

impl VolumeKind {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::EmptyDir => "emptyDir",
            Self::Memory => "emptyDir in memory",
            Self::HostPath => "hostPath",
            Self::ConfigMap => "configMap",
            Self::Secret => "secret",
            Self::Projected => "projected",
            Self::DownwardApi => "downwardAPI",
        }
    }

    /// Whether it holds what was written once and nobody may change.
    pub const fn is_written_once(self) -> bool {
        match self {
            Self::ConfigMap | Self::Secret | Self::Projected | Self::DownwardApi => true,
            Self::EmptyDir | Self::Memory | Self::HostPath => false,
        }
    }
}
