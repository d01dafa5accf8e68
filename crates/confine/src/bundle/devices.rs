//! Devices of a bundle: the nodes and rules that every container has, and its own.

use stockade_abi::facts::{Device, DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_spec::bundle as oci;

use super::{Desk, mounts, support::unsaid};
use crate::Sourced;
use crate::container::{DevDirectory, Devices};
use crate::mechanism::devices::{default_nodes, default_rules};
use crate::plan::{DeviceNode, NodeMaking};

pub(super) fn read(desk: &mut Desk<'_>, has_user_namespace: bool) -> Sourced<Devices> {
    // Nobody makes nodes in a user namespace; there they are the host's, bound.
    let made_by = if has_user_namespace { NodeMaking::Bind } else { NodeMaking::Mknod };
    let directory = if mounts::binds_dev(desk) { DevDirectory::Bound } else { DevDirectory::Own };
    let mut nodes = default_nodes(made_by);
    let own = &desk.linux.devices;
    let mut seen: Vec<&str> = Vec::new();
    for (index, said) in own.iter().enumerate() {
        let path = format!("linux.devices[{index}]");
        if seen.contains(&said.path.as_str()) {
            desk.wrong(&format!("{path}.path"), "stands in the list twice");
        }
        seen.push(&said.path);
        if let Some(node) = node(desk, said, &path, made_by) {
            nodes.retain(|it| it.path != node.path);
            nodes.push(node);
        }
    }
    if directory == DevDirectory::Bound && !own.is_empty() {
        let why = "nodes are not made in a `/dev` that is the host's";
        desk.unenforced("linux.devices", why);
    }
    let rules = rules(desk);
    let value = Devices { nodes, directory, rules };
    let is_said = desk.linux.resources.as_ref().is_some_and(|it| !it.devices.is_empty());
    match (is_said, desk.linux.devices.is_empty()) {
        (true, _) => Sourced::new(value, desk.origin("linux.resources.devices")),
        (false, false) => Sourced::new(value, desk.origin("linux.devices")),
        (false, true) => unsaid(value),
    }
}

/// `None` only after a refusal.
fn node(
    desk: &mut Desk<'_>,
    said: &oci::Device,
    path: &str,
    made_by: NodeMaking,
) -> Option<DeviceNode> {
    let oci::Device { path: target, kind, major, minor, file_mode, uid, gid } = said;
    let words = target.strip_prefix("/dev/");
    let is_below =
        words.is_some_and(|it| it.split('/').all(|word| !matches!(word, "" | "." | "..")));
    if !is_below {
        desk.wrong(&format!("{path}.path"), format!("{target:?} is not a path below /dev"));
    }
    let number = |desk: &mut Desk<'_>, name: &str, said: &Option<i64>, most: u32| {
        let number = said.and_then(|it| u32::try_from(it).ok()).filter(|it| *it <= most);
        if number.is_none() {
            desk.wrong(&format!("{path}.{name}"), format!("expected a number from 0 to {most}"));
        }
        number
    };
    let (device, type_bits) = match kind {
        oci::DeviceKind::Fifo => (None, 0o010_000),
        oci::DeviceKind::All => {
            desk.wrong(&format!("{path}.type"), "`a` stands for all devices and is none");
            return None;
        }
        oci::DeviceKind::Block | oci::DeviceKind::Character | oci::DeviceKind::Unbuffered => {
            let major = number(desk, "major", major, LAST_MAJOR);
            let minor = number(desk, "minor", minor, LAST_MINOR);
            let (kind, bits) = match kind {
                oci::DeviceKind::Block => (DeviceKind::Block, 0o060_000),
                oci::DeviceKind::All
                | oci::DeviceKind::Character
                | oci::DeviceKind::Unbuffered
                | oci::DeviceKind::Fifo => (DeviceKind::Character, 0o020_000),
            };
            (Some(Device { kind, major: major?, minor: minor? }), bits)
        }
    };
    let mode = file_mode.unwrap_or(0o666);
    let (permissions, above) = (mode & 0o777, mode & !0o777);
    if above != 0 && above != type_bits {
        let why = format!("{mode:o} (octal) has more than permissions");
        desk.wrong(&format!("{path}.fileMode"), why);
    }
    for (name, id) in [("uid", uid), ("gid", gid)] {
        if *id == Some(u32::MAX) {
            desk.wrong(&format!("{path}.{name}"), "4294967295 is not an id");
        }
    }
    let node = DeviceNode {
        path: target.clone(),
        device,
        mode: permissions,
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        made_by,
    };
    // A bound node has the host's owner and permissions, whatever the bundle says.
    let is_standard = default_nodes(made_by).contains(&node);
    if made_by == NodeMaking::Bind && !is_standard {
        let why = "in a user namespace only the standard devices can be had";
        desk.unsupported(path, why);
    }
    Some(node)
}

/// The bundle's rules, then those that every container has: without them nothing runs.
fn rules(desk: &mut Desk<'_>) -> Vec<DeviceRule> {
    let said = desk.linux.resources.as_ref().map_or(&[][..], |it| &it.devices);
    let mut all = Vec::new();
    for (index, rule) in said.iter().enumerate() {
        all.extend(one_rule(desk, rule, &format!("linux.resources.devices[{index}]")));
    }
    all.extend(default_rules());
    all
}

fn one_rule(desk: &mut Desk<'_>, said: &oci::DeviceRule, path: &str) -> Option<DeviceRule> {
    let oci::DeviceRule { allow, kind, major, minor, access } = said;
    let kind = match kind {
        None | Some(oci::DeviceKind::All) => None,
        Some(oci::DeviceKind::Block) => Some(DeviceKind::Block),
        Some(oci::DeviceKind::Character | oci::DeviceKind::Unbuffered) => {
            Some(DeviceKind::Character)
        }
        Some(oci::DeviceKind::Fifo) => {
            desk.wrong(&format!("{path}.type"), "no rule is about FIFOs");
            return None;
        }
    };
    let number = |desk: &mut Desk<'_>, name: &str, said: &Option<i64>, most: u32| match said {
        None | Some(-1) => Some(None),
        Some(number) => match u32::try_from(*number).ok().filter(|it| *it <= most) {
            Some(number) => Some(Some(number)),
            None => {
                let why = format!("expected -1 or a number from 0 to {most}");
                desk.wrong(&format!("{path}.{name}"), why);
                None
            }
        },
    };
    let major = number(desk, "major", major, LAST_MAJOR)?;
    let minor = number(desk, "minor", minor, LAST_MINOR)?;
    if kind.is_none() && (major.is_some() || minor.is_some()) {
        // Readers differ: to some it means all devices, to others those of that number.
        desk.wrong(path, "a rule with numbers needs the `type` `c` or `b`");
        return None;
    }
    let letters = access.as_deref().unwrap_or("rwm");
    let access = DeviceAccess::parse(letters).filter(|it| *it != DeviceAccess::NONE);
    let Some(access) = access else {
        desk.wrong(&format!("{path}.access"), format!("{letters:?} is not of `r`, `w` and `m`"));
        return None;
    };
    let verdict = if *allow { DeviceVerdict::Allow } else { DeviceVerdict::Deny };
    Some(DeviceRule { verdict, kind, major, minor, access })
}

/// `MINORBITS` of `linux/kdev_t.h`: twelve bits and twenty.
const LAST_MAJOR: u32 = 4095;
const LAST_MINOR: u32 = 0xf_ffff;
