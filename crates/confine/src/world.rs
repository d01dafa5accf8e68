//! What lies outside the manifest and must be known to say what it means.
//!
//! Loaded once, before it is needed, by the edge: [`references`](crate::references) says what to load. From there on
//! nothing asks questions. A world can be saved and given back, to answer for a node that this
//! machine is not.

use std::collections::BTreeMap;

use stockade_abi::host::Kernel;
use stockade_abi::{Architecture, CapabilitySet};
use stockade_spec::Content;

use crate::container::UserNamespace;
use crate::plan::DeviceNode;

/// Everything outside the manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct World {
    /// What is known of each image, by the name that the manifest uses.
    pub images: BTreeMap<String, ImageFacts>,
    /// The text of each seccomp profile on the node, by the name that the manifest uses; or why it
    /// could not be read.
    pub profiles: BTreeMap<String, Result<ProfileFile, String>>,
    /// The ConfigMaps and Secrets of the pod's namespace that it names.
    pub objects: Objects,
    /// How the node is set up.
    pub node: Node,
}

/// What an image says about its processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageFacts {
    /// Canonical reference.
    pub reference: String,
    /// Digest of the image's configuration.
    pub digest: String,
    /// Layer directories, bottom to top.
    pub layers: Vec<String>,
    /// `USER`, as written; empty if unset.
    pub user: String,
    /// `ENV`, as `NAME=value`.
    pub environment: Vec<String>,
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `WORKDIR`; empty if unset.
    pub working_directory: String,
    /// `STOPSIGNAL`; empty if unset.
    pub stop_signal: String,
    /// Its `/etc/passwd`, if it has one that can be read.
    pub passwd: Option<String>,
    /// Its `/etc/group`, if it has one that can be read.
    pub group: Option<String>,
}

/// ConfigMaps and Secrets by name, and what each holds by key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Objects {
    /// ConfigMaps.
    pub config_maps: BTreeMap<String, BTreeMap<String, Content>>,
    /// Secrets.
    pub secrets: BTreeMap<String, BTreeMap<String, Content>>,
}

/// A profile on the node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileFile {
    /// Where it lies.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The node's settings, and what of its hardware and kernel changes the meaning of a manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Its kernel: some sysctls are safe, and some profile rules apply, only from a version on.
    pub kernel: Kernel,
    /// Its architecture.
    pub architecture: Architecture,
    /// The capabilities that its kernel knows: what `ALL` stands for.
    pub capabilities: CapabilitySet,
    /// Highest possible CPU number, for the per-CPU files that are masked.
    pub last_cpu: u32,
    /// `--allowed-unsafe-sysctls`: names and patterns, as given.
    pub allowed_unsafe_sysctls: Vec<String>,
    /// What an unset seccomp profile means (`--seccomp-default`).
    pub seccomp_default: SeccompDefault,
    /// How annotations from before the fields count.
    pub legacy: Legacy,
    /// Host name that pods with the host's network see.
    pub hostname: String,
    /// Most processes in a pod (`--pod-max-pids`); `None` is no limit.
    pub pod_pids_limit: Option<u64>,
    /// Device nodes of the host, for privileged containers.
    pub devices: Vec<DeviceNode>,
    /// The user namespace that every pod here needs.
    pub user_namespace: NodeUserNamespace,
}

/// Whether pods need a user namespace because of who starts them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NodeUserNamespace {
    /// They are started by root.
    NotNeeded,
    /// They are started by an ordinary user, who is root only in a namespace of his own.
    Own(UserNamespace),
}

/// What an unset seccomp profile means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SeccompDefault {
    /// Unconfined: Kubernetes' own default.
    Unconfined,
    /// The runtime's default profile.
    RuntimeDefault,
}

/// How annotations from before the fields count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Legacy {
    /// They fill in what no field says, with a warning.
    Honoured {
        /// Whether an annotation that clusters ignore may loosen a container.
        unconfined: LegacyUnconfined,
    },
    /// Exactly as a cluster of this minor version treats them.
    Exactly(u32),
}

impl Legacy {
    /// The minor version of Kubernetes whose rules count: the newest known, if none is named.
    pub const fn minor(self) -> u32 {
        match self {
            Self::Honoured { .. } => stockade_spec::ApiVersion::LATEST.0 as u32,
            Self::Exactly(minor) => minor,
        }
    }
}

/// Whether `unconfined` is taken from an annotation that no current cluster reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LegacyUnconfined {
    /// It is refused.
    Refused,
    /// It is taken.
    Taken,
}
