//! What lies outside the manifest and must be known to say what it means.
//!
//! Loaded once, before it is needed, by the edge: [`references`] says what to load. From there on
//! nothing asks questions. A world can be saved and given back, to answer for a node that this
//! machine is not.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::host::Kernel;
use stockade_abi::{Architecture, CapabilitySet};
use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{ContainerList, Content, Pod};

use crate::container::UserNamespace;
use crate::mechanism::seccomp;
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

/// What a pod refers to and the edge has to load.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct References {
    /// Images, as written.
    pub images: BTreeSet<String>,
    /// Seccomp profiles on the node, as written after `localhost/` or in `localhostProfile`.
    pub profiles: BTreeSet<String>,
    /// ConfigMaps of the pod's namespace.
    pub config_maps: BTreeSet<String>,
    /// Secrets of the pod's namespace.
    pub secrets: BTreeSet<String>,
}

/// Lists what a pod refers to.
pub fn references(pod: &Pod) -> References {
    let mut all = References::default();
    // Ephemeral containers are refused.
    let containers = pod.containers().filter(|it| it.list != ContainerList::Ephemeral);
    all.images.extend(containers.filter_map(|it| it.image.map(str::to_owned)));
    all.profiles = seccomp::localhost_profiles(pod);
    for container in pod.containers() {
        let from = container.env.iter().filter_map(|it| it.value_from.as_ref());
        for source in from {
            all.config_maps.extend(source.config_map_key_ref.iter().map(|it| it.name.clone()));
            all.secrets.extend(source.secret_key_ref.iter().map(|it| it.name.clone()));
        }
        for source in container.env_from {
            all.config_maps.extend(source.config_map_ref.iter().map(|it| it.name.clone()));
            all.secrets.extend(source.secret_ref.iter().map(|it| it.name.clone()));
        }
    }
    for volume in pod.spec().into_iter().flat_map(|it| it.volumes.iter().flatten()) {
        add_volume(&mut all, volume);
    }
    all
}

fn add_volume(all: &mut References, volume: &k8s::Volume) {
    all.config_maps.extend(volume.config_map.iter().map(|it| it.name.clone()));
    all.secrets.extend(volume.secret.iter().filter_map(|it| it.secret_name.clone()));
    let projected = volume.projected.iter().flat_map(|it| it.sources.iter().flatten());
    for source in projected {
        all.config_maps.extend(source.config_map.iter().map(|it| it.name.clone()));
        all.secrets.extend(source.secret.iter().map(|it| it.name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn a_pod_refers_to_each_thing_once() {
        let pod = pod("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {
            securityContext: {seccompProfile: {type: Localhost, localhostProfile: b.json}},
            initContainers: [
                {name: z, image: first, securityContext: {
                    seccompProfile: {type: Localhost, localhostProfile: z.json}}},
                {name: w, image: i}],
            containers: [
                {name: a, image: i, securityContext: {
                    seccompProfile: {type: Localhost, localhostProfile: a.json}}},
                {name: b, image: i, envFrom: [{configMapRef: {name: m}}, {secretRef: {name: s}}]},
                {name: c, image: 'example.com/j@sha256:00', env: [
                    {name: x, valueFrom: {secretKeyRef: {name: t, key: k}}},
                    {name: z, valueFrom: {configMapKeyRef: {name: m, key: k}}}]}],
            volumes: [{name: v, secret: {secretName: u}}, {name: w, projected: {sources: [
                {configMap: {name: o}}, {secret: {name: s}}]}}]}}");
        let References { images, profiles, config_maps, secrets } = references(&pod);
        assert!(config_maps.iter().eq(["m", "o"]), "{config_maps:?}");
        assert!(secrets.iter().eq(["s", "t", "u"]), "{secrets:?}");
        assert!(images.iter().eq(["example.com/j@sha256:00", "first", "i"]));
        assert!(profiles.iter().eq(["a.json", "b.json", "z.json"]));
    }
}
