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
use crate::finding::{Finding, Mechanism, Verdict};
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

/// What the controller will say of [`samples`].
pub(crate) fn expect(
    devices: &Sourced<Devices>,
    host: &Host,
) -> BTreeMap<Device, Reading<DeviceAccess>> {
    let Some(rules) = controlled(&devices.value, host) else { return BTreeMap::new() };
    let answer = |device| (device, Reading::Known(DeviceRule::evaluate(&rules, device)));
    samples().chain(rules.iter().flat_map(DeviceRule::examples)).map(answer).collect()
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
    // What a controller names and nobody meant: as much is meant of it as of any other device.
    for (device, has) in seen.iter().filter(|(device, _)| !expected.contains_key(device)) {
        let (major, minor) = DeviceRule::NOBODYS;
        let any = expected.get(&Device { major, minor, ..*device });
        let wanted = any.and_then(Reading::known).copied().unwrap_or(DeviceAccess::NONE);
        match has.known().map(|has| has.difference(wanted)) {
            None | Some(DeviceAccess::NONE) => {}
            Some(extra) => more.push(format!("{device} {extra}")),
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

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{host, node, resolved, secured, users_host, users_node, world};
    use crate::world::{Node, World};

    #[test]
    fn what_may_be_used() {
        for (own, expected) in [
            ("", "9 standard devices, no others"),
            ("privileged: false", "9 standard devices, no others"),
            ("capabilities: {add: [ALL]}", "9 standard devices, no others"),
            ("privileged: true", "all devices"),
        ] {
            let resolved = resolved(&secured("", own), &world());
            assert_eq!(
                render(&resolved.containers[0].confinement.devices.value),
                expected,
                "{own}"
            );
        }
    }

    #[test]
    fn nodes_are_made_or_bound() {
        let sda = DeviceNode {
            path: "/dev/sda".to_owned(),
            device: Some(Device { kind: DeviceKind::Block, major: 8, minor: 0 }),
            mode: 0o660,
            uid: 0,
            gid: 6,
            made_by: NodeMaking::Mknod,
        };
        let null = DeviceNode { path: "/dev/null".to_owned(), ..sda.clone() };
        let devices = vec![sda, null];
        for (node, own, count, made_by) in [
            (node(), "", 6, NodeMaking::Mknod),
            (users_node(), "", 6, NodeMaking::Bind),
            (Node { devices, ..node() }, "privileged: true", 7, NodeMaking::Mknod),
        ] {
            let world = World { node, ..world() };
            let resolved = resolved(&secured("", own), &world);
            let nodes = &resolved.containers[0].confinement.devices.value.nodes;
            assert_eq!(nodes.len(), count, "{own}");
            assert!(nodes.iter().all(|it| it.made_by == made_by), "{own}");
            let null = nodes.iter().find(|it| it.path == "/dev/null").unwrap();
            assert_eq!(null.device.unwrap().to_string(), "c 1:3");
        }
    }

    #[test]
    fn more_than_was_meant_is_weaker() {
        let meant = Devices { rules: default_rules(), ..Devices::default() };
        let expected = expect(&Sourced::default(meant, ""), &host());
        let mem = Device { kind: DeviceKind::Character, major: 1, minor: 1 };
        let null = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
        let with = |device, reading| {
            let mut seen = expected.clone();
            seen.insert(device, reading);
            seen
        };
        let known = Reading::Known;
        let without = expected.iter().filter(|it| *it.0 != null);
        for (shows, seen, verdict) in [
            ("the same", expected.clone(), "ok"),
            ("a device more", with(mem, known(DeviceAccess::READ)), "WEAKER"),
            ("an access less", with(null, known(DeviceAccess::READ)), "tighter"),
            ("one that was not read", with(null, Reading::unreadable("x")), "could not tell"),
            (
                "one that was not asked",
                without.map(|(d, r)| (*d, r.clone())).collect(),
                "could not tell",
            ),
        ] {
            let found = compare(&expected, &seen).unwrap();
            assert_eq!(found.verdict.to_string(), verdict, "{shows}");
        }
        let ours = expect(&Sourced::default(Devices::default(), ""), &users_host());
        assert_eq!(compare(&ours, &expected), None);
    }
}
