//! One view of the three kinds of containers.

use k8s_openapi::api::core::v1 as api;

use crate::place::FieldPath;

/// A container of any of the three lists, as it is said.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// Where it stands: `spec.containers[0]`.
    pub path: FieldPath,
    /// The list in which it stands.
    pub list: ContainerList,
    /// `name`, empty if not set.
    pub name: &'a str,
    /// `image`.
    pub image: Option<&'a str>,
    /// `imagePullPolicy`.
    pub image_pull_policy: Option<&'a str>,
    /// `command`.
    pub command: &'a [String],
    /// `args`.
    pub args: &'a [String],
    /// `workingDir`.
    pub working_dir: Option<&'a str>,
    /// `env`.
    pub env: &'a [api::EnvVar],
    /// `envFrom`.
    pub env_from: &'a [api::EnvFromSource],
    /// `ports`.
    pub ports: &'a [api::ContainerPort],
    /// `resources`.
    pub resources: Option<&'a api::ResourceRequirements>,
    /// `restartPolicy`.
    pub restart_policy: Option<&'a str>,
    /// `securityContext`.
    pub security_context: Option<&'a api::SecurityContext>,
    /// `volumeMounts`.
    pub volume_mounts: &'a [api::VolumeMount],
    /// `volumeDevices`.
    pub volume_devices: &'a [api::VolumeDevice],
    /// `lifecycle`.
    pub lifecycle: Option<&'a api::Lifecycle>,
    /// `livenessProbe`.
    pub liveness_probe: Option<&'a api::Probe>,
    /// `readinessProbe`.
    pub readiness_probe: Option<&'a api::Probe>,
    /// `startupProbe`.
    pub startup_probe: Option<&'a api::Probe>,
    /// `stdin`.
    pub stdin: Option<bool>,
    /// `tty`.
    pub tty: Option<bool>,
}

/// The lists of containers in a pod.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ContainerList {
    /// `initContainers`.
    Init,
    /// `containers`.
    Regular,
    /// `ephemeralContainers`.
    Ephemeral,
}

impl ContainerList {
    /// The name of the list in `spec`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Regular => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }

    fn path(self, index: usize) -> FieldPath {
        FieldPath::from("spec").child(self.field()).index(index)
    }
}

pub(super) fn containers(spec: &api::PodSpec) -> impl Iterator<Item = Container<'_>> {
    let init = spec.init_containers.iter().flatten().enumerate();
    let regular = spec.containers.iter().enumerate();
    let ephemeral = spec.ephemeral_containers.iter().flatten().enumerate();
    init.map(|(index, it)| of_container(it, ContainerList::Init, index))
        .chain(regular.map(|(index, it)| of_container(it, ContainerList::Regular, index)))
        .chain(ephemeral.map(|(index, it)| of_ephemeral(it, index)))
}

/// The two API types have the same fields but are two types.
macro_rules! view {
    ($it:ident, $list:expr, $index:ident) => {
        Container {
            path: $list.path($index),
            list: $list,
            name: &$it.name,
            image: $it.image.as_deref(),
            image_pull_policy: $it.image_pull_policy.as_deref(),
            command: $it.command.as_deref().unwrap_or_default(),
            args: $it.args.as_deref().unwrap_or_default(),
            working_dir: $it.working_dir.as_deref(),
            env: $it.env.as_deref().unwrap_or_default(),
            env_from: $it.env_from.as_deref().unwrap_or_default(),
            ports: $it.ports.as_deref().unwrap_or_default(),
            resources: $it.resources.as_ref(),
            restart_policy: $it.restart_policy.as_deref(),
            security_context: $it.security_context.as_ref(),
            volume_mounts: $it.volume_mounts.as_deref().unwrap_or_default(),
            volume_devices: $it.volume_devices.as_deref().unwrap_or_default(),
            lifecycle: $it.lifecycle.as_ref(),
            liveness_probe: $it.liveness_probe.as_ref(),
            readiness_probe: $it.readiness_probe.as_ref(),
            startup_probe: $it.startup_probe.as_ref(),
            stdin: $it.stdin,
            tty: $it.tty,
        }
    };
}

fn of_container(it: &api::Container, list: ContainerList, index: usize) -> Container<'_> {
    view!(it, list, index)
}

fn of_ephemeral(it: &api::EphemeralContainer, index: usize) -> Container<'_> {
    view!(it, ContainerList::Ephemeral, index)
}
