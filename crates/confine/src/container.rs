//! What is meant: for one container, and for the pod around it.

use stockade_abi::bpf::Program;
use stockade_abi::facts::{DeviceRule, MountAccess, NoNewPrivs};
use stockade_abi::{CapabilitySets, IdMap, NamespaceSet};

use crate::health::Health;
use crate::limits::Limits;
use crate::mechanism::volumes::VolumeMount;
use crate::plan::{
    DeviceNode, LogDenied, Propagation, RootSource, SeccompListener, Speculation, Terminal,
};
use crate::turn::{Restart, RestartPolicy, Turn};
use crate::volume::Volume;
use crate::workload::{Stdin, Workload};
use crate::{Origin, Sourced};

/// What is meant for the whole pod. Its steps run once; containers join.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PodConfinement {
    /// Namespaces that are not the host's and that its containers find made and join.
    pub namespaces: Sourced<NamespaceSet>,
    /// Who sets up what is meant here.
    pub maker: Maker,
    /// Who is root inside; `None` is the host's own user namespace.
    pub user_namespace: Option<Sourced<UserNamespace>>,
    /// Host name in the pod's UTS namespace; `None` with the host's.
    pub hostname: Option<Sourced<String>>,
    /// NIS domain name in the pod's UTS namespace.
    pub domainname: Option<Sourced<String>>,
    /// Kernel parameters in the pod's namespaces.
    pub sysctls: Vec<Sourced<Sysctl>>,
    /// What all its containers together may use.
    pub limits: Sourced<Limits>,
}

/// Who makes a pod's namespaces, names its host and sets its kernel parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Maker {
    /// A process of the pod's own, before any container.
    Pod,
    /// The only container itself, as in a bundle: what it finds made was made by others.
    Container,
}

/// The maps of a user namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserNamespace {
    /// User ids.
    pub uids: IdMap,
    /// Group ids.
    pub gids: IdMap,
}

/// A kernel parameter and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sysctl {
    /// With dots as separators.
    pub name: String,
    /// As declared.
    pub value: String,
}

/// What is meant for one container: one field per mechanism.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confinement {
    /// User, group, supplementary groups.
    pub identity: Sourced<Identity>,
    /// The five sets that the process is started with.
    pub capabilities: Sourced<CapabilitySets>,
    /// Whether `execve` may add privileges.
    pub no_new_privs: Sourced<NoNewPrivs>,
    /// Which system calls it may make.
    pub seccomp: Sourced<Seccomp>,
    /// Its AppArmor profile.
    pub apparmor: Sourced<AppArmor>,
    /// Its SELinux context.
    pub selinux: Sourced<SeLinux>,
    /// Namespaces of its own or the pod's: those that it does not share with the host.
    pub namespaces: Sourced<NamespaceSet>,
    /// Its root file system.
    pub root: Sourced<Root>,
    /// Paths of `/proc` and `/sys` that are hidden or made read-only.
    pub paths: Sourced<GuardedPaths>,
    /// The volumes that it sees, from the shallow mount point to the deep.
    pub volumes: Vec<Sourced<VolumeMount>>,
    /// Devices it may use.
    pub devices: Sourced<Devices>,
    /// Limits of its cgroup.
    pub limits: Sourced<Limits>,
}

/// Who a container's process is, inside its user namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups, ascending, without repetition.
    pub groups: Vec<u32>,
    /// File mode creation mask, where a bundle sets one.
    pub umask: Option<u32>,
}

/// Which system calls a container may make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seccomp {
    /// All.
    Unconfined,
    /// Those that a filter lets through.
    Filter(SeccompFilter),
}

/// A compiled profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeccompFilter {
    /// `RuntimeDefault`, `localhost/<name>` or the bundle's.
    pub profile: String,
    /// The filter.
    pub program: Program,
    /// Whether the kernel logs what it denies.
    pub log: LogDenied,
    /// Whether speculation mitigations are turned on with it.
    pub speculation: Speculation,
    /// Who answers for the calls that it leaves to a supervisor.
    pub listener: Option<SeccompListener>,
}

/// A container's AppArmor profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppArmor {
    /// None asked for; the process runs as the kernel leaves it.
    Unset,
    /// Explicitly none.
    Unconfined,
    /// The runtime's default profile.
    RuntimeDefault,
    /// A profile that must be loaded on the node.
    Localhost(String),
}

/// A container's SELinux context.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SeLinux {
    /// None asked for.
    Unset,
    /// A full context.
    Context(String),
}

/// A container's root file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Root {
    /// What it is made of.
    pub source: RootSource,
    /// Whether it can be written.
    pub access: MountAccess,
    /// How mount events travel, where a bundle wants them to.
    pub propagation: Propagation,
}

/// Paths that are hidden or made read-only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GuardedPaths {
    /// Hidden.
    pub masked: Vec<String>,
    /// Read-only, with everything below.
    pub read_only: Vec<String>,
}

/// Devices that a container may use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Devices {
    /// Nodes in its `/dev`.
    pub nodes: Vec<DeviceNode>,
    /// Whose `/dev` it is.
    pub directory: DevDirectory,
    /// Rules of the device controller, in order; nothing is allowed before the first.
    pub rules: Vec<DeviceRule>,
}

/// Whose `/dev` a container sees.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DevDirectory {
    /// Its own: nodes and links are made there.
    #[default]
    Own,
    /// A directory of the host, which is left as it is.
    Bound,
}

/// A container, meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Container {
    /// Its name in the manifest.
    pub name: String,
    /// When it has its turn.
    pub turn: Turn,
    /// When it starts again.
    pub restart: Sourced<Restart>,
    /// What is asked of it while it runs.
    pub health: Health,
    /// What it may do.
    pub confinement: Confinement,
    /// What it runs.
    pub workload: Workload,
}

impl Container {
    /// The same container with another process in it: the same confinement, without terminal and
    /// input.
    #[must_use]
    pub fn running(&self, arguments: Sourced<Vec<String>>) -> Self {
        let mut other = self.clone();
        other.workload.arguments = arguments;
        other.workload.terminal = Terminal::None;
        other.workload.stdin = Stdin::Null;
        other
    }
}

/// What a pod amounts to, with every default filled in and the reason for each value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolved {
    /// Name of the pod.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What is meant for the pod.
    pub pod: PodConfinement,
    /// Its volumes, in the manifest's order.
    pub volumes: Vec<Sourced<Volume>>,
    /// What is meant for its containers: init containers first, each list in the manifest's order.
    pub containers: Vec<Container>,
    /// When ended containers start again that do not say so themselves.
    pub restart: Sourced<RestartPolicy>,
    /// How long containers get to end, in seconds.
    pub grace_seconds: Sourced<u64>,
    /// Things worth saying that stop nothing.
    pub warnings: Vec<Warning>,
}

/// Something worth saying that stops nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// What it is about.
    pub origin: Origin,
    /// What the author should know.
    pub what: String,
}
