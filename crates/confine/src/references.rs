//! What a pod refers to: the edge loads it into a [`World`](crate::World) before anything is resolved.

use std::collections::BTreeSet;

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{ContainerList, Pod};

use crate::mechanism::seccomp;

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
