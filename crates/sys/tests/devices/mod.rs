//! Device programs in the kernel, and births into cgroups.

use std::fs;
use std::path::PathBuf;

use stockade_abi::facts::{Device, DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_abi::{Errno, NamespaceSet};
use stockade_sys::bpf::{Asked, DeviceProgram, attach, evaluate, program_instructions, query};
use stockade_sys::process::{Birth, Parent};

use crate::harness::{Child, Skip, Test};
use crate::root;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_child_is_born_into_its_cgroup", a_child_is_born_into_its_cgroup),
    ("the_kernel_does_what_the_rules_say", the_kernel_does_what_the_rules_say),
    ("each_attached_program_must_allow", each_attached_program_must_allow),
    ("a_loaded_program_still_means_its_rules", a_loaded_program_still_means_its_rules),
    ("hundreds_of_rules_can_be_loaded", hundreds_of_rules_can_be_loaded),
    ("what_is_no_cgroup_is_refused", what_is_no_cgroup_is_refused),
];

fn a_child_is_born_into_its_cgroup() -> Result<(), Skip> {
    let cgroup = Cgroup::new("birth")?;
    let name = format!("/{}", cgroup.name());
    in_cgroup(&cgroup, || {
        let ours = fs::read_to_string("/proc/self/cgroup").unwrap();
        let v2 = ours.lines().find_map(|it| it.strip_prefix("0::")).unwrap();
        assert!(v2.ends_with(&name), "{v2}");
    });
    Ok(())
}

fn the_kernel_does_what_the_rules_say() -> Result<(), Skip> {
    let cgroup = Cgroup::new("rules")?;
    let rules = [allow(Some(NULL), "rw"), allow(Some(ZERO), "rw"), deny(Some(ZERO), "w")];
    let program = DeviceProgram::assemble(&rules).load().unwrap();
    attach(&program, cgroup.directory()).unwrap();
    drop(program);

    in_cgroup(&cgroup, || {
        for (path, asked, allowed) in [
            ("/dev/null", "r", true),
            ("/dev/null", "w", true),
            ("/dev/zero", "r", true),
            ("/dev/zero", "w", false),
            ("/dev/full", "r", false),
        ] {
            let mut options = fs::OpenOptions::new();
            let opened = options.read(asked == "r").write(asked == "w").open(path);
            let errno = opened.err().and_then(|it| it.raw_os_error());
            assert_eq!(errno, (!allowed).then_some(libc::EPERM), "{path} {asked}");
        }
    });
    // Outside nothing has changed.
    assert!(fs::File::open("/dev/full").is_ok());
    Ok(())
}

fn each_attached_program_must_allow() -> Result<(), Skip> {
    let outer = Cgroup::new("outer")?;
    let inner = outer.below("inner");
    let attach_to = |cgroup: &Cgroup, rules: &[DeviceRule]| {
        let program = DeviceProgram::assemble(rules).load().unwrap();
        attach(&program, cgroup.directory()).unwrap();
    };
    let before = query(outer.directory(), Asked::Effective).unwrap().len();
    assert_eq!(query(outer.directory(), Asked::Attached), Ok(vec![]));

    attach_to(&outer, &[allow(Some(NULL), "rw"), allow(Some(ZERO), "rw")]);
    attach_to(&inner, &[allow(None, "rwm")]);
    attach_to(&inner, &[allow(None, "rwm"), deny(Some(ZERO), "r")]);
    for (cgroup, attached, effective) in [(&outer, 1, 1), (&inner, 2, 3)] {
        let count = |asked| query(cgroup.directory(), asked).unwrap().len();
        assert_eq!(count(Asked::Attached), attached);
        assert_eq!(count(Asked::Effective), before + effective);
    }

    let programs: Vec<Vec<u64>> = query(inner.directory(), Asked::Effective)
        .unwrap()
        .into_iter()
        .map(|id| program_instructions(id).unwrap())
        .collect();
    in_cgroup(&inner, || {
        for (path, device) in [("/dev/null", NULL), ("/dev/zero", ZERO), ("/dev/full", FULL)] {
            let judged = programs
                .iter()
                .all(|it| evaluate(it, device, DeviceAccess::READ) == Ok(DeviceVerdict::Allow));
            // What is judged of the programs that were read back is what happens.
            assert_eq!(fs::File::open(path).is_ok(), judged, "{path}");
            assert_eq!(judged, device == NULL, "{path}");
        }
    });
    Ok(())
}

fn a_loaded_program_still_means_its_rules() -> Result<(), Skip> {
    let cgroup = Cgroup::new("dump")?;
    for rules in [
        vec![],
        vec![allow(None, "rwm")],
        vec![allow(None, "rwm"), deny(Some(NULL), "m"), allow(Some(NULL), "m")],
        vec![allow(None, "r"), deny(None, "r")],
        vec![allow(Some(HIGH), "rw"), deny(Some(NULL), "rwm"), allow(Some(ZERO), "r")],
        many_rules(40),
    ] {
        let below = cgroup.below("one");
        let program = DeviceProgram::assemble(&rules).load().unwrap();
        attach(&program, below.directory()).unwrap();
        let [id] = query(below.directory(), Asked::Attached).unwrap()[..] else { panic!() };
        let read_back = program_instructions(id).unwrap();

        let mut some_block = HIGH;
        some_block.kind = DeviceKind::Block;
        for device in [NULL, ZERO, FULL, HIGH, some_block] {
            let allowed = DeviceRule::evaluate(&rules, device);
            for asked in ["r", "w", "m", "rw", "rwm"] {
                let asked = DeviceAccess::parse(asked).unwrap();
                let expected = if asked.is_subset(allowed) {
                    DeviceVerdict::Allow
                } else {
                    DeviceVerdict::Deny
                };
                let judged = evaluate(&read_back, device, asked);
                assert_eq!(judged, Ok(expected), "{device} {asked} by {rules:?}");
            }
        }
    }
    Ok(())
}

fn hundreds_of_rules_can_be_loaded() -> Result<(), Skip> {
    root()?;
    for length in [100, 500] {
        let program = DeviceProgram::assemble(&many_rules(length));
        assert!(program.load().is_ok(), "{length}: {:?}", program.load());
    }
    Ok(())
}

fn what_is_no_cgroup_is_refused() -> Result<(), Skip> {
    root()?;
    let directory = fs::File::open("/proc").unwrap();
    let program = DeviceProgram::assemble(&[]).load().unwrap();
    assert_eq!(attach(&program, &directory).unwrap_err().errno, Errno(9));
    assert_eq!(query(&directory, Asked::Attached).unwrap_err().errno, Errno(9));
    let into = Birth {
        flags: NamespaceSet::EMPTY,
        cgroup: Some(std::os::fd::AsFd::as_fd(&directory)),
        parent: Parent::Caller,
    };
    assert_eq!(Child::try_new(into, || 0).unwrap_err().errno, Errno(9));
    Ok(())
}

/// A cgroup (v2) that is removed in the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Result<Self, Skip> {
        root()?;
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts.lines().find_map(|it| {
            let mut fields = it.split(' ');
            let path = fields.nth(1)?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
        });
        let mount = mount.ok_or_else(|| Skip("no cgroup v2 is mounted".into()))?;
        let path = mount.join(format!("stockade-sys-{}-{name}", std::process::id()));
        fs::create_dir(&path).map_err(|error| Skip(format!("no cgroup can be made: {error}")))?;
        Ok(Self(path))
    }

    fn below(&self, name: &str) -> Self {
        let path = self.0.join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn directory(&self) -> fs::File {
        fs::File::open(&self.0).unwrap()
    }

    fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).unwrap();
    }
}

fn in_cgroup(cgroup: &Cgroup, work: impl FnOnce()) {
    let directory = cgroup.directory();
    let into = Birth {
        flags: NamespaceSet::EMPTY,
        cgroup: Some(std::os::fd::AsFd::as_fd(&directory)),
        parent: Parent::Caller,
    };
    let child = Child::try_new(into, || {
        work();
        0
    });
    child.unwrap().succeeds();
}

fn rule(verdict: DeviceVerdict, device: Option<Device>, access: &str) -> DeviceRule {
    DeviceRule {
        verdict,
        kind: device.map(|it| it.kind),
        major: device.map(|it| it.major),
        minor: device.map(|it| it.minor),
        access: DeviceAccess::parse(access).unwrap(),
    }
}

fn allow(device: Option<Device>, access: &str) -> DeviceRule {
    rule(DeviceVerdict::Allow, device, access)
}

fn deny(device: Option<Device>, access: &str) -> DeviceRule {
    rule(DeviceVerdict::Deny, device, access)
}

/// Rules that differ in all that rules can differ in.
fn many_rules(length: u32) -> Vec<DeviceRule> {
    let accesses = ["r", "w", "m", "rw", "rwm"];
    (0..length)
        .map(|index| DeviceRule {
            verdict: if index % 3 == 2 { DeviceVerdict::Deny } else { DeviceVerdict::Allow },
            kind: [None, Some(DeviceKind::Block), Some(DeviceKind::Character)][index as usize % 3],
            major: (index % 4 != 0).then_some(index % 7),
            minor: (index % 5 != 0).then_some(index % 11),
            access: DeviceAccess::parse(accesses[index as usize % 5]).unwrap(),
        })
        .collect()
}

const fn character(major: u32, minor: u32) -> Device {
    Device { kind: DeviceKind::Character, major, minor }
}

const NULL: Device = character(1, 3);
const ZERO: Device = character(1, 5);
const FULL: Device = character(1, 7);
const HIGH: Device = character(0x8000_0001, u32::MAX);
