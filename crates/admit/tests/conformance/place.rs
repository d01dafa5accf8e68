//! A node that is not there, for cases that name one.

use std::collections::BTreeMap;

use stockade_abi::host::{AppArmorSupport, Cgroups, Kernel, LsmState, Privilege};
use stockade_abi::{Architecture, CapabilitySet, Host, NamespaceKind, Reading};
use stockade_confine::World;
use stockade_confine::world::{
    ImageFacts, Legacy, Node, NodeUserNamespace, Objects, SeccompDefault,
};
use stockade_spec::{Pod, parse};

use crate::Case;

/// The pod of a case.
pub(crate) fn pod(case: &Case) -> Pod {
    let text = case.input["pod"].to_string();
    let parsed = parse("case.json", &text);
    parsed.pods().next().unwrap_or_else(|| panic!("{:#?}", parsed.findings)).clone()
}

/// A node of the case's version, with one image for every container.
pub(crate) fn world(case: &Case, image: ImageFacts) -> World {
    let containers = case.input["pod"]["spec"]["containers"].as_array().unwrap();
    let names = containers.iter().filter_map(|it| it["image"].as_str());
    let seccomp_default = case.input["seccompDefault"].as_bool().unwrap_or(false);
    World {
        images: names.map(|it| (it.to_owned(), image.clone())).collect(),
        profiles: BTreeMap::new(),
        objects: Objects::default(),
        node: Node {
            kernel: kernel(),
            architecture: Architecture::X86_64,
            capabilities: CapabilitySet::up_to(40),
            last_cpu: 1,
            allowed_unsafe_sysctls: strings(case, "allowedUnsafeSysctls"),
            seccomp_default: if seccomp_default {
                SeccompDefault::RuntimeDefault
            } else {
                SeccompDefault::Unconfined
            },
            legacy: Legacy::Exactly(case.minor.into()),
            hostname: "node".to_owned(),
            pod_pids_limit: None,
            devices: Vec::new(),
            user_namespace: NodeUserNamespace::NotNeeded,
        },
    }
}

/// An image with a program.
pub(crate) fn image() -> ImageFacts {
    ImageFacts { command: vec!["/program".to_owned()], ..ImageFacts::default() }
}

/// A machine that can do everything but AppArmor and SELinux.
pub(crate) fn host() -> Host {
    Host {
        kernel: kernel(),
        last_capability: 40,
        privilege: Privilege::Root { capabilities: CapabilitySet::up_to(40) },
        namespaces: NamespaceKind::ALL.into_iter().collect(),
        cgroups: Cgroups::default(),
        apparmor: AppArmorSupport {
            state: LsmState::Inactive,
            profiles: Reading::Known(BTreeMap::new()),
        },
        selinux: LsmState::Inactive,
        seccomp_actions: Vec::new(),
        last_cpu: 1,
    }
}

/// New enough for everything.
pub(crate) fn kernel() -> Kernel {
    Kernel { major: 6, minor: 18, release: "6.18.0".to_owned() }
}

/// A list of strings of the case.
pub(crate) fn strings(case: &Case, key: &str) -> Vec<String> {
    let list = case.input[key].as_array().into_iter().flatten();
    list.map(|it| it.as_str().unwrap().to_owned()).collect()
}
