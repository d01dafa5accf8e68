//! From meant to seen: what the kernel will say about a process that is confined as meant.

use std::collections::BTreeMap;

use stockade_abi::facts::Questions;
use stockade_abi::{Host, ProcessFacts};

use crate::container::{Confinement, Container, PodConfinement};
use crate::finding::Mechanism;
use crate::mechanism::{
    apparmor, capabilities, devices, hostname, identity, limits, namespaces, no_new_privs, paths,
    root, seccomp, selinux, sysctls, volumes,
};
use crate::{Origin, Sourced};

/// Foretells what the kernel will say about a container's process at its first instruction.
pub fn expect(container: &Container, pod: &PodConfinement, host: &Host) -> ProcessFacts {
    let Confinement {
        identity,
        capabilities,
        no_new_privs,
        seccomp,
        apparmor,
        selinux,
        namespaces,
        root,
        paths,
        volumes,
        devices,
        limits,
    } = &container.confinement;
    let user = pod.user_namespace.as_ref().map(|it| &it.value);
    ProcessFacts {
        identity: identity::expect(identity, user),
        capabilities: capabilities::expect(capabilities, identity),
        no_new_privs: no_new_privs::expect(no_new_privs),
        seccomp: seccomp::expect(seccomp),
        apparmor: apparmor::expect(apparmor, host),
        selinux: selinux::expect(selinux, host),
        namespaces: namespaces::expect(namespaces),
        root: root::expect(root),
        paths: paths::expect(paths),
        mounts: volumes::expect(volumes),
        sysctls: sysctls::expect(&pod.sysctls),
        devices: devices::expect(devices, host),
        limits: limits::expect(limits),
        hostname: hostname::expect(pod.hostname.as_ref()),
    }
}

/// What has to be asked beyond what every process has.
pub fn questions(expected: &ProcessFacts) -> Questions {
    Questions {
        sysctls: expected.sysctls.keys().cloned().collect(),
        paths: expected.paths.keys().cloned().collect(),
        mounts: expected.mounts.keys().cloned().collect(),
        devices: expected.devices.keys().copied().collect(),
    }
}

/// What was declared for a mechanism, in words, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declared {
    /// In words.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Says in words what is meant, mechanism by mechanism, in the order of reports.
pub fn render(container: &Container, pod: &PodConfinement) -> BTreeMap<Mechanism, Declared> {
    let Confinement {
        identity,
        capabilities,
        no_new_privs,
        seccomp,
        apparmor,
        selinux,
        namespaces,
        root,
        paths,
        volumes,
        devices,
        limits,
    } = &container.confinement;
    let mut all = BTreeMap::from([
        (Mechanism::Identity, declared(identity, identity::render)),
        (Mechanism::Capabilities, declared(capabilities, capabilities::render)),
        (Mechanism::NoNewPrivs, declared(no_new_privs, |it| no_new_privs::render(*it))),
        (Mechanism::Seccomp, declared(seccomp, seccomp::render)),
        (Mechanism::AppArmor, declared(apparmor, apparmor::render)),
        (Mechanism::SeLinux, declared(selinux, selinux::render)),
        (Mechanism::Namespaces, declared(namespaces, |it| namespaces::render(*it))),
        (Mechanism::Root, declared(root, |it| root::render(it.access))),
        (Mechanism::Paths, declared(paths, paths::render)),
        (Mechanism::Devices, declared(devices, devices::render)),
        (Mechanism::Limits, declared(limits, limits::render)),
    ]);
    if let Some(name) = &pod.hostname {
        all.insert(Mechanism::Hostname, declared(name, Clone::clone));
    }
    for sysctl in &pod.sysctls {
        let key = Mechanism::Sysctl(sysctl.value.name.clone());
        all.insert(key, declared(sysctl, |it| it.value.clone()));
    }
    for volume in volumes {
        let key = Mechanism::Volume(volume.value.target.clone());
        all.insert(key, declared(volume, volumes::render));
    }
    all
}

fn declared<T>(sourced: &Sourced<T>, words: impl Fn(&T) -> String) -> Declared {
    Declared { value: words(&sourced.value), origin: sourced.origin.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, resolved, secured, world};

    #[test]
    fn every_mechanism_is_described_and_asked_about() {
        let pod = secured("sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}]", "");
        let resolved = resolved(&pod, &world());
        let (container, pod) = (&resolved.containers[0], &resolved.pod);
        let words: Vec<String> = render(container, pod)
            .iter()
            .map(|(mechanism, it)| format!("{mechanism}: {} [{}]", it.value, it.origin))
            .collect();
        assert_eq!(
            words,
            [
                "identity: user 0, group 0, groups none [default: the image names no user, which means root]",
                "capabilities: default set [default: the default set of containerd and Docker]",
                "privilege escalation: escalation allowed [default: escalation is allowed unless the container forbids it]",
                "seccomp: unconfined [default: no profile is declared, and the node has none by default]",
                "AppArmor: unset [default: no profile is declared]",
                "SELinux: unset [default: no context is declared]",
                "namespaces: own mount pid net ipc uts cgroup [default: each pod has its own]",
                "root filesystem: writable [default: writable unless the container forbids it]",
                "guarded paths: 14 masked, 5 read-only [default: the kubelet's lists for `procMount: Default`]",
                "devices: 9 standard devices, no others [default: the standard devices and pseudoterminals]",
                "limits: none [default: no limits are declared]",
                "hostname: p [default: the pod's name]",
                &format!("sysctl net.ipv4.tcp_syncookies: 1 [{}]", pod.sysctls[0].origin),
            ]
        );
        let asked = questions(&expect(container, pod, &host()));
        assert_eq!(asked.sysctls, ["net.ipv4.tcp_syncookies"]);
        assert_eq!((asked.paths.len(), asked.devices.len()), (19, 28));
    }
}
