//! Limits and devices, in cgroups made for the purpose.

use std::fs;
use std::path::{Path, PathBuf};

use stockade_abi::Reading;
use stockade_abi::facts::{
    Device, DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict, LimitFacts, Questions,
};
use stockade_observe::host;
use stockade_sys::bpf::{DeviceProgram, attach};

use crate::specimen::Specimen;
use crate::{Needs, Test};

pub(crate) const ALL: &[Test] = &[
    ("the_tightest_pids_limit_counts", Needs::Controller("pids"), pids),
    ("the_tightest_memory_limit_counts", Needs::Controller("memory"), memory),
    ("the_tightest_cpu_limit_counts", Needs::Controller("cpu"), cpu),
    ("device_rules_of_v1_are_read", Needs::DevicesV1, devices_v1),
    ("device_programs_are_read_and_judged", Needs::Unified, programs),
    ("both_device_controllers_have_their_say", Needs::DevicesV1, both),
];

/// Where a v1 controller is mounted.
pub(crate) fn v1(controller: &str) -> Option<PathBuf> {
    host().ok()?.cgroups.v1.get(controller).map(PathBuf::from)
}

/// Where the unified hierarchy is mounted. The host's facts leave it out if it has no controllers.
pub(crate) fn unified() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let line = mounts.lines().find(|it| it.contains(" cgroup2 "))?;
    line.split(' ').nth(1).map(PathBuf::from)
}

pub(crate) fn has(controller: &str) -> bool {
    let unified = || host().ok()?.cgroups.v2.map(|it| it.controllers);
    v1(controller).is_some() || unified().is_some_and(|it| it.iter().any(|it| it == controller))
}

fn pids() {
    limit("pids", ("pids.max", "50"), ("pids.max", "70"), |it| it.pids, 50);
    limit("pids", ("pids.max", "50"), ("pids.max", "20"), |it| it.pids, 20);
}

fn memory() {
    let file = if v1("memory").is_some() { "memory.limit_in_bytes" } else { "memory.max" };
    limit("memory", (file, "67108864"), (file, "33554432"), |it| it.memory, 33_554_432);
}

fn cpu() {
    let read = |it: &LimitFacts| it.cpu_micros;
    if v1("cpu").is_some() {
        let file = "cpu.cfs_quota_us";
        limit("cpu", (file, "50000"), (file, "25000"), read, 250_000);
    } else {
        let file = "cpu.max";
        limit("cpu", (file, "50000 100000"), (file, "max 100000"), read, 500_000);
    }
}

/// Sets one limit above and one below and looks what is seen of a process at the bottom.
#[track_caller]
fn limit(
    controller: &str,
    above: (&str, &str),
    below: (&str, &str),
    read: fn(&LimitFacts) -> Option<u64>,
    expected: u64,
) {
    let top = v1(controller).or_else(unified).unwrap();
    let outer = Group::new(&top);
    if v1(controller).is_none() {
        fs::write(top.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
        fs::write(outer.0.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
    }
    let inner = Group::new(&outer.0);
    fs::write(outer.0.join(above.0), above.1).unwrap();
    fs::write(inner.0.join(below.0), below.1).unwrap();
    let specimen = Specimen::new(&[], || {});
    let before = specimen.facts().limits;
    assert_ne!(read(before.known().unwrap()), Some(expected));
    inner.enter(&specimen);
    let after = specimen.facts().limits;
    assert_eq!(read(after.known().unwrap()), Some(expected), "{after:?}");
}

fn devices_v1() {
    let group = Group::new(&v1("devices").unwrap());
    fs::write(group.0.join("devices.deny"), "a").unwrap();
    for rule in ["c 1:3 rw", "c 5:* r", "b *:* m"] {
        fs::write(group.0.join("devices.allow"), rule).unwrap();
    }
    let specimen = Specimen::new(&[], || {});
    group.enter(&specimen);
    check(
        &specimen,
        &[
            (character(1, 3), "rw"),
            (character(1, 5), "none"),
            (character(5, 1), "r"),
            (block(8, 0), "m"),
        ],
    );
    fs::write(group.0.join("devices.allow"), "c 1:5 rwm").unwrap();
    check(&specimen, &[(character(1, 5), "rwm")]);
}

fn programs() {
    let outer = Group::new(&unified().unwrap());
    let inner = Group::new(&outer.0);
    let specimen = Specimen::new(&[], || {});
    inner.enter(&specimen);
    let (null, zero, disk) = (character(1, 3), character(1, 5), block(8, 0));
    check(&specimen, &[(null, "rwm"), (disk, "rwm")]);
    give(&outer, &[allow(Some(DeviceKind::Character), Some(1), None, "rwm")]);
    check(&specimen, &[(null, "rwm"), (zero, "rwm"), (disk, "none")]);
    give(&inner, &[allow(None, None, Some(3), "rw")]);
    check(&specimen, &[(null, "rw"), (zero, "none"), (disk, "none")]);
}

fn both() {
    let Some(unified) = unified() else { return programs_are_not_needed() };
    let old = Group::new(&v1("devices").unwrap());
    let new = Group::new(&unified);
    fs::write(old.0.join("devices.deny"), "a").unwrap();
    fs::write(old.0.join("devices.allow"), "c 1:3 rw").unwrap();
    give(&new, &[allow(None, Some(1), None, "wm")]);
    let specimen = Specimen::new(&[], || {});
    old.enter(&specimen);
    check(&specimen, &[(character(1, 3), "rw"), (character(1, 5), "none")]);
    new.enter(&specimen);
    check(&specimen, &[(character(1, 3), "w"), (character(1, 5), "none")]);
}

/// Without a unified hierarchy, v1 alone decides.
fn programs_are_not_needed() {
    devices_v1();
}

fn give(group: &Group, rules: &[DeviceRule]) {
    let program = DeviceProgram::assemble(rules).load().unwrap();
    let directory = fs::File::open(&group.0).unwrap();
    attach(&program, &directory).unwrap();
}

fn allow(
    kind: Option<DeviceKind>,
    major: Option<u32>,
    minor: Option<u32>,
    access: &str,
) -> DeviceRule {
    let access = DeviceAccess::parse(access).unwrap();
    DeviceRule { verdict: DeviceVerdict::Allow, kind, major, minor, access }
}

const fn character(major: u32, minor: u32) -> Device {
    Device { kind: DeviceKind::Character, major, minor }
}

const fn block(major: u32, minor: u32) -> Device {
    Device { kind: DeviceKind::Block, major, minor }
}

#[track_caller]
fn check(specimen: &Specimen, expected: &[(Device, &str)]) {
    let devices = expected.iter().map(|(device, _)| *device).collect();
    let facts = specimen.answer(&Questions { devices, ..Questions::default() });
    for (device, access) in expected {
        let found = match &facts.devices[device] {
            Reading::Known(access) => access.to_string(),
            Reading::Unreadable(why) => panic!("{device}: {why}"),
        };
        assert_eq!(found, *access, "{device}");
    }
}

/// A cgroup that is gone when the test is over.
struct Group(PathBuf);

impl Group {
    fn new(parent: &Path) -> Self {
        let path = parent.join(format!("stockade-observe-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn enter(&self, specimen: &Specimen) {
        fs::write(self.0.join("cgroup.procs"), specimen.pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A killed specimen leaves its cgroups some time after it has been reaped.
        for _ in 0..1000 {
            match fs::remove_dir(&self.0) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                _ => return,
            }
        }
    }
}
