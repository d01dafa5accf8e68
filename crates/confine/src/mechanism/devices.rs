//! Devices: nodes in a container's `/dev`, and what the device controller allows.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.privileged` of a container; `linux.devices` of a bundle |
//! | meant | [`Devices`] |
//! | done | `mknod(2)`; `devices.allow` of cgroup v1, a BPF program on v2 |
//! | seen | `devices.list` of the process's cgroup, or the programs attached to it, asked about sample devices |
//!
//! In a user namespace nodes cannot be made, and the host's permissions decide about those that are
//! bound; there is no device controller without privilege.

use std::collections::BTreeMap;

use stockade_abi::facts::{Device, DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_abi::host::Privilege;
use stockade_abi::{Host, Reading};

use crate::container::{DevDirectory, Devices};
use crate::drift::{Finding, Mechanism, Verdict};
use crate::plan::{Action, DeviceNode, NodeMaking, Stage, Step};
use crate::scope::Scope;
use crate::world::NodeUserNamespace;
use crate::{Origin, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>) -> Sourced<Devices> {
    let made_by = match scope.world.node.user_namespace {
        NodeUserNamespace::NotNeeded => NodeMaking::Mknod,
        NodeUserNamespace::Own(_) => NodeMaking::Bind,
    };
    if scope.is_privileged() {
        let everything = DeviceRule {
            verdict: DeviceVerdict::Allow,
            kind: None,
            major: None,
            minor: None,
            access: DeviceAccess::ALL,
        };
        let standard = default_nodes(made_by);
        let is_standard = |it: &&DeviceNode| !standard.iter().any(|std| std.path == it.path);
        let host = scope.world.node.devices.iter().filter(is_standard).cloned();
        let value = Devices {
            nodes: standard.iter().cloned().chain(host).collect(),
            directory: DevDirectory::Own,
            rules: vec![everything],
        };
        return Sourced::new(value, Origin::Declared(scope.own_place("privileged")));
    }
    Sourced::default(
        Devices {
            nodes: default_nodes(made_by),
            directory: DevDirectory::Own,
            rules: default_rules(),
        },
        "the standard devices and pseudoterminals",
    )
}

/// The nodes that every container has.
pub(crate) fn default_nodes(made_by: NodeMaking) -> Vec<DeviceNode> {
    let node = |(name, major, minor): &(&str, u32, u32)| DeviceNode {
        path: format!("/dev/{name}"),
        device: Some(Device { kind: DeviceKind::Character, major: *major, minor: *minor }),
        mode: 0o666,
        uid: 0,
        gid: 0,
        made_by,
    };
    STANDARD.iter().map(node).collect()
}

/// The rules that every container has: any node may be made, the standard ones may be used.
pub(crate) fn default_rules() -> Vec<DeviceRule> {
    let allow = |kind, major, minor, access| DeviceRule {
        verdict: DeviceVerdict::Allow,
        kind: Some(kind),
        major,
        minor,
        access,
    };
    let standard = STANDARD.iter().map(|(_, major, minor)| (*major, Some(*minor)));
    let terminals = [(5, Some(1)), (5, Some(2)), (136, None)];
    let usable = standard
        .chain(terminals)
        .map(|(major, minor)| allow(DeviceKind::Character, Some(major), minor, DeviceAccess::ALL));
    [DeviceKind::Character, DeviceKind::Block]
        .into_iter()
        .map(|kind| allow(kind, None, None, DeviceAccess::MKNOD))
        .chain(usable)
        .collect()
}

pub(crate) fn plan(devices: &Sourced<Devices>) -> Option<Step> {
    let Devices { nodes, directory, rules: _ } = &devices.value;
    match directory {
        DevDirectory::Own => {
            let action = Action::MakeDevices(nodes.clone());
            Some(Step::new(Stage::Devices, action, devices.origin.clone()))
        }
        DevDirectory::Bound => None,
    }
}

/// The rules to set, where the device controller is ours to set.
pub(crate) fn controlled(devices: &Devices, host: &Host) -> Option<Vec<DeviceRule>> {
    match host.privilege {
        Privilege::Root { .. } => Some(devices.rules.clone()),
        Privilege::User { .. } => None,
    }
}

/// What the controller will say of [`SAMPLES`].
pub(crate) fn expect(
    devices: &Sourced<Devices>,
    host: &Host,
) -> BTreeMap<Device, Reading<DeviceAccess>> {
    let Some(rules) = controlled(&devices.value, host) else { return BTreeMap::new() };
    let answer = |device| (device, Reading::Known(DeviceRule::evaluate(&rules, device)));
    samples().map(answer).collect()
}

pub(crate) fn render(devices: &Devices) -> String {
    text(samples().map(|it| (it, DeviceRule::evaluate(&devices.rules, it))))
}

fn text(access: impl Iterator<Item = (Device, DeviceAccess)>) -> String {
    let usable = |it: DeviceAccess| !it.is_subset(DeviceAccess::MKNOD);
    let (mut all, mut open, mut other) = (true, 0, Vec::new());
    for (device, access) in access {
        let is_standard = is_standard(device);
        match usable(access) {
            true if is_standard => open += 1,
            true => other.push(device.to_string()),
            false => all = false,
        }
    }
    match (all, other.is_empty()) {
        (true, _) => "all devices".to_owned(),
        (false, true) => format!("{open} standard devices, no others"),
        (false, false) => format!("{open} standard devices and {}", other.join(", ")),
    }
}

pub(crate) fn compare(
    expected: &BTreeMap<Device, Reading<DeviceAccess>>,
    seen: &BTreeMap<Device, Reading<DeviceAccess>>,
) -> Option<Finding> {
    if expected.is_empty() {
        return None;
    }
    let (mut more, mut fewer, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for (device, wanted) in expected {
        match (wanted, seen.get(device)) {
            (Reading::Known(wanted), Some(Reading::Known(has))) => {
                let (extra, missing) = (has.difference(*wanted), wanted.difference(*has));
                if extra != DeviceAccess::NONE {
                    more.push(format!("{device} {extra}"));
                }
                if missing != DeviceAccess::NONE {
                    fewer.push(format!("{device} {missing}"));
                }
            }
            (_, Some(Reading::Unreadable(why))) => unreadable.push(why.to_string()),
            _ => unreadable.push(format!("{device} was not asked")),
        }
    }
    unreadable.dedup();
    let known = seen.iter().filter_map(|(device, it)| Some((*device, *it.known()?)));
    let verdict = if !more.is_empty() {
        Verdict::Weaker(format!("also allowed: {}", more.join(", ")))
    } else if !unreadable.is_empty() {
        Verdict::Unreadable(unreadable.join(", "))
    } else if !fewer.is_empty() {
        Verdict::Tighter(format!("not allowed: {}", fewer.join(", ")))
    } else {
        Verdict::Holds
    };
    let seen = if unreadable.is_empty() { text(known) } else { "unreadable".to_owned() };
    Some(Finding { mechanism: Mechanism::Devices, seen, verdict })
}

fn is_standard(device: Device) -> bool {
    let terminal = [(5, 1), (5, 2), (136, 0)];
    let numbers = (device.major, device.minor);
    device.kind == DeviceKind::Character
        && (STANDARD.iter().any(|(_, major, minor)| (*major, *minor) == numbers)
            || terminal.contains(&numbers))
}

/// The devices about which a controller is asked: the standard ones, and those through which
/// containers have reached hosts.
pub(crate) fn samples() -> impl Iterator<Item = Device> {
    let device =
        |kind| move |(major, minor): &(u32, u32)| Device { kind, major: *major, minor: *minor };
    let characters = CHARACTER_SAMPLES.iter().map(device(DeviceKind::Character));
    characters.chain(BLOCK_SAMPLES.iter().map(device(DeviceKind::Block)))
}

const STANDARD: &[(&str, u32, u32)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// The standard devices and terminals; mem, port, kmsg, a serial line, tun, fuse, kvm, loop-control,
/// an input device, a number that nothing has.
const CHARACTER_SAMPLES: &[(u32, u32)] = &[
    (1, 3),
    (1, 5),
    (1, 7),
    (1, 8),
    (1, 9),
    (5, 0),
    (5, 1),
    (5, 2),
    (136, 0),
    (1, 1),
    (1, 4),
    (1, 11),
    (4, 64),
    (10, 200),
    (10, 229),
    (10, 232),
    (10, 237),
    (13, 64),
    (4000, 1),
];

/// ram, loop, sd, md, virtio, device mapper, nvme, a number that nothing has.
const BLOCK_SAMPLES: &[(u32, u32)] =
    &[(1, 0), (7, 0), (8, 0), (9, 0), (252, 0), (253, 0), (254, 0), (259, 0), (4000, 1)];
