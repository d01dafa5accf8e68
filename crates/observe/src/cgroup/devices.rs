//! What the device controllers allow.
//!
//! | | where | means |
//! |---|---|---|
//! | v1 | `devices.list` of the cgroup | what any line allows, is allowed; nothing else is |
//! | v2 | programs attached to the cgroup and its ancestors | allowed is what each of them allows |
//!
//! A host can have both, and then a device is open to what both allow. A cgroup is asked even if
//! the process could not make a node of the device anyway.
//!
//! The v1 file hides denials below a cgroup that allows everything (`a *:* rwm`); such a cgroup is
//! taken at its word, which errs towards more access.
//!
//! Source: `Documentation/admin-guide/cgroup-v1/devices.rst`, cgroup-v2.rst, "Device controller".

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, Mode, OFlags, openat};
use stockade_abi::facts::{Device, DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_abi::{Errno, Reading, Why};
use stockade_sys::Refused;
use stockade_sys::bpf::{Asked, evaluate, program_instructions, query};

use super::{Cgroups, Controller, Directory};
use crate::file::{self, refused};

/// What is allowed for each of the devices, and for those that a v1 list names.
pub(crate) fn devices(
    cgroups: &Cgroups,
    asked: &[Device],
) -> BTreeMap<Device, Reading<DeviceAccess>> {
    if asked.is_empty() {
        return BTreeMap::new();
    }
    let controllers = Controllers::read(cgroups);
    let access = |device| controllers.as_ref().map_err(Why::clone)?.access(device);
    let named = controllers.iter().flat_map(Controllers::named);
    asked.iter().copied().chain(named).map(|device| (device, access(device).into())).collect()
}

/// What judges a request.
struct Controllers {
    /// The v1 controller's list, if it has one.
    rules: Option<Vec<DeviceRule>>,
    /// The programs on the unified hierarchy.
    programs: Vec<Vec<u64>>,
}

impl Controllers {
    fn read(cgroups: &Cgroups) -> Result<Self, Why> {
        let rules = match cgroups.controller("devices")? {
            Controller::V1(directory) => Some(rules(&directory)?),
            Controller::V2(_) | Controller::Nowhere => None,
        };
        let programs = match cgroups.unified()? {
            Some(directory) => programs(&directory)?,
            None => Vec::new(),
        };
        Ok(Self { rules, programs })
    }

    /// Devices that the rules themselves speak of, so that none goes unnoticed. A program cannot be
    /// asked whom it knows.
    fn named(&self) -> impl Iterator<Item = Device> {
        self.rules.iter().flatten().flat_map(DeviceRule::examples)
    }

    fn access(&self, device: Device) -> Result<DeviceAccess, Why> {
        let all = DeviceAccess::ALL;
        let mut denied = match &self.rules {
            Some(rules) => all.difference(DeviceRule::evaluate(rules, device)),
            None => DeviceAccess::NONE,
        };
        for program in &self.programs {
            for one in [DeviceAccess::READ, DeviceAccess::WRITE, DeviceAccess::MKNOD] {
                match evaluate(program, device, one).map_err(|it| Why(it.to_string()))? {
                    DeviceVerdict::Allow => {}
                    DeviceVerdict::Deny => denied = denied.union(one),
                }
            }
        }
        Ok(all.difference(denied))
    }
}

fn rules(directory: &Directory) -> Result<Vec<DeviceRule>, Why> {
    const LIMIT: usize = 1024 * 1024;
    let path = [directory.path.as_slice(), b"/devices.list"].concat();
    let list = file::text(CWD, &path, LIMIT)?;
    parse(&list).ok_or_else(|| Why("a line of devices.list is malformed".to_owned()))
}

/// Reads lines of `kind major:minor access`, each of which allows.
fn parse(list: &str) -> Option<Vec<DeviceRule>> {
    list.lines().map(rule).collect()
}

fn rule(line: &str) -> Option<DeviceRule> {
    let mut fields = line.split(' ');
    let kind = match fields.next()? {
        "a" => None,
        "c" => Some(DeviceKind::Character),
        "b" => Some(DeviceKind::Block),
        _ => return None,
    };
    let (major, minor) = fields.next()?.split_once(':')?;
    let number = |text| match text {
        "*" => Some(None),
        _ => str::parse(text).ok().map(Some),
    };
    let (major, minor) = (number(major)?, number(minor)?);
    let access = DeviceAccess::parse(fields.next()?)?;
    let verdict = DeviceVerdict::Allow;
    fields.next().is_none().then_some(DeviceRule { verdict, kind, major, minor, access })
}

fn programs(directory: &Directory) -> Result<Vec<Vec<u64>>, Why> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = OsStr::from_bytes(&directory.path);
    let cgroup = openat(CWD, path, flags, Mode::empty())
        .map_err(|errno| Why::from(refused(&directory.path, errno)))?;
    let said = |refused: Refused| Why(refused.to_string());
    match query(&cgroup, Asked::Effective) {
        Ok(ids) => ids.into_iter().map(|id| program_instructions(id).map_err(said)).collect(),
        // A kernel without such programs has none attached.
        Err(refused) if NO_PROGRAMS.contains(&refused.errno) => Ok(Vec::new()),
        Err(refused) => Err(said(refused)),
    }
}

/// `EINVAL`: no `CONFIG_CGROUP_BPF`; `ENOSYS`: no bpf(2).
const NO_PROGRAMS: [Errno; 2] = [Errno(22), Errno(38)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_strictly() {
        for (list, expected) in [
            ("a *:* rwm\n", Some("a *:* rwm")),
            ("c 1:3 rw\nb 8:* m\nc *:5 r\n", Some("c 1:3 rw, b 8:* m, c *:5 r")),
            ("", Some("")),
            ("c 1:3\n", None),
            ("c 1 rw\n", None),
            ("d 1:3 rw\n", None),
            ("c 1:3 rwx\n", None),
            ("c 1:3 rw m\n", None),
            ("c -1:3 rw\n", None),
        ] {
            let found = parse(list);
            let found = found.map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found.map(|it| it.join(", ")).as_deref(), expected, "{list:?}");
        }
    }

    #[test]
    fn a_device_is_open_to_what_every_controller_allows() {
        let null = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
        // `mov r0, 1; exit`, `mov r0, 0; exit`, and a call of a helper.
        let (yes, no) = (vec![0x1_0000_00b7, 0x95], vec![0xb7, 0x95]);
        let call = vec![0x1_0000_0085, 0x95];
        for (rules, programs, expected) in [
            (None, vec![], Some("rwm")),
            (Some(""), vec![], Some("none")),
            (Some("c 1:* rw"), vec![], Some("rw")),
            (Some("c 1:3 r\nc 1:3 m"), vec![yes.clone()], Some("rm")),
            (Some("b 1:3 rwm"), vec![yes.clone()], Some("none")),
            (None, vec![yes.clone(), yes.clone()], Some("rwm")),
            (None, vec![yes.clone(), no.clone()], Some("none")),
            (Some("a *:* rwm"), vec![no], Some("none")),
            (None, vec![yes, call], None),
        ] {
            let shows = format!("{rules:?} {programs:x?}");
            let controllers = Controllers { rules: rules.and_then(parse), programs };
            let found = controllers.access(null).ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), expected, "{shows}");
        }
    }
}
