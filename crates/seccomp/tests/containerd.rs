//! `RuntimeDefault` against containerd's profile, in meaning: every architecture, every capability.
//!
//! What containerd allows is committed as facts (`tests/facts/`), how its rules look at arguments is
//! below. Where ours differs on purpose is [`DIFFERENCES`]; `docs/decisions/runtime-default.md` has
//! the reasons. A difference that is not listed, and one that is listed and none, are failures.

use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, Capability, CapabilitySet};
use stockade_seccomp::{
    Action, ArchitectureList, Comparison, Condition, Listed, Name, Operator, Profile, ProfileRule,
    Target, Verdict, compare, compile, default_profile, resolve,
};

/// One of the ways in which our profile is not containerd's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Difference {
    /// `socket` fails for `AF_ALG`, for families that do not exist, and for those that exist if the
    /// high half of the argument is set: the kernel does not look at it, but `!=` does.
    Families,
    /// Allowed to everybody.
    Newer(&'static str),
    /// Allowed with `SYS_ADMIN`, missing without.
    Lsm(&'static str),
    /// Fails with `EPERM` and not `ENOSYS` where the table has no newer call: 31 bits of S/390. Our
    /// profile names it also for containers without its capability.
    Known(&'static str),
}

const DIFFERENCES: &[Difference] = &[
    Difference::Families,
    Difference::Newer("getxattrat"),
    Difference::Newer("listmount"),
    Difference::Newer("listxattrat"),
    Difference::Newer("mseal"),
    Difference::Newer("removexattrat"),
    Difference::Newer("riscv_hwprobe"),
    Difference::Newer("setxattrat"),
    Difference::Newer("statmount"),
    Difference::Newer("uretprobe"),
    Difference::Lsm("lsm_get_self_attr"),
    Difference::Lsm("lsm_list_modules"),
    Difference::Lsm("lsm_set_self_attr"),
    Difference::Known("set_mempolicy_home_node"),
];

#[test]
fn nothing_but_the_listed_differences_tells_them_apart() {
    for target in targets() {
        assert_eq!(compared(&target, DIFFERENCES), Comparison::Equal, "{target:?}");
    }
}

#[test]
fn each_listed_difference_is_one() {
    for left_out in DIFFERENCES {
        let others: Vec<_> = DIFFERENCES.iter().copied().filter(|it| it != left_out).collect();
        let architecture = match left_out {
            Difference::Newer("riscv_hwprobe") => Architecture::Riscv64,
            Difference::Known(_) => Architecture::S390x,
            Difference::Families | Difference::Newer(_) | Difference::Lsm(_) => {
                Architecture::X86_64
            }
        };
        let capabilities = CapabilitySet::EMPTY.with(Capability::SysAdmin);
        let target = Target { architecture, capabilities, kernel: (6, 12) };
        let Comparison::Different(witness) = compared(&target, &others) else {
            panic!("{left_out:?} is no difference")
        };
        let (verdict, call) = match left_out {
            Difference::Families => (Verdict::Weaker, "socket(0x26"),
            Difference::Newer(name) | Difference::Lsm(name) => (Verdict::Tighter, *name),
            Difference::Known(name) => (Verdict::Other, *name),
        };
        assert_eq!(witness.verdict(), verdict, "{left_out:?}");
        assert!(witness.call.to_string().starts_with(call), "{left_out:?}: {}", witness.call);
    }
}

/// For each capability: what it opens, name by name.
#[test]
fn each_capability_opens_what_it_opens_there() {
    for &capability in Capability::ALL {
        let mut expected = facts(&format!("cap {}", capability.name()));
        for difference in DIFFERENCES {
            match difference {
                Difference::Lsm(name) if capability == Capability::SysAdmin => expected.push(name),
                Difference::Lsm(_)
                | Difference::Families
                | Difference::Newer(_)
                | Difference::Known(_) => {}
            }
        }
        expected.sort_unstable();
        assert_eq!(stockade_seccomp::opened_by(capability), expected, "{capability}");
    }
}

/// No capability, each alone, all; on every machine, and on a kernel where tracing is no safe thing.
fn targets() -> Vec<Target> {
    let all: CapabilitySet = Capability::ALL.iter().copied().collect();
    let opening = Capability::ALL.iter().copied().filter(|it| !facts_of(*it).is_empty());
    let mut sets: Vec<_> = opening.map(|it| CapabilitySet::EMPTY.with(it)).collect();
    sets.extend([CapabilitySet::EMPTY, all]);
    let mut targets = Vec::new();
    for (architecture, _) in MACHINES {
        for &capabilities in &sets {
            targets.push(Target { architecture: *architecture, capabilities, kernel: (6, 12) });
        }
        let capabilities = CapabilitySet::EMPTY;
        targets.push(Target { architecture: *architecture, capabilities, kernel: (4, 7) });
    }
    targets
}

fn facts_of(capability: Capability) -> Vec<&'static str> {
    facts(&format!("cap {}", capability.name()))
}

/// Ours against theirs, to which `differences` are added.
fn compared(target: &Target, differences: &[Difference]) -> Comparison {
    let ours = resolve(&default_profile(), target).expect("no contradiction");
    let theirs = resolve(&theirs(target, differences), target).expect("no contradiction");
    let programs = [ours, theirs].map(|it| compile(&it).expect("short enough"));
    compare(&programs[0], &programs[1]).expect("the kernel takes both")
}

/// containerd's profile for one target, with `differences`.
fn theirs(target: &Target, differences: &[Difference]) -> Profile {
    let is_admin = target.capabilities.contains(Capability::SysAdmin);
    let mut names = facts("always");
    names.extend(facts(&format!("arch {}", target.architecture)));
    if target.kernel >= (4, 8) {
        names.extend(facts("kernel 4.8"));
    }
    for &capability in Capability::ALL {
        if target.capabilities.contains(capability) {
            names.extend(facts_of(capability));
        }
    }
    let mut missing = if is_admin { vec![] } else { vec!["clone3"] };
    let mut known = Vec::new();
    let mut families = vec![Operator::NotEqual(AF_VSOCK)];
    for difference in differences {
        match difference {
            Difference::Families => {
                families = [39, 41, 42, 43, 44, 45].map(Operator::Equal).to_vec();
                families.push(Operator::Less(AF_ALG));
            }
            Difference::Newer(name) => names.push(name),
            Difference::Lsm(name) if is_admin => names.push(name),
            Difference::Lsm(name) => missing.push(name),
            Difference::Known(name) => known.push(*name),
        }
    }

    let any = default_profile().rules.swap_remove(0);
    let rule = |names: &[&str], action, conditions| ProfileRule {
        names: names.iter().map(|it| name(it)).collect(),
        comment: None,
        action,
        conditions,
        ..any.clone()
    };
    let condition = |argument, operator| vec![Condition { argument, operator }];
    let mut rules = vec![
        rule(&names, Action::Allow, vec![]),
        rule(&missing, Action::ENOSYS, vec![]),
        // The default action: that it is named is all that it says.
        rule(&known, Action::EPERM, vec![]),
    ];
    for family in families {
        rules.push(rule(&["socket"], Action::Allow, condition(0, family)));
    }
    for persona in [0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF] {
        let equal = condition(0, Operator::Equal(persona));
        rules.push(rule(&["personality"], Action::Allow, equal));
    }
    if !is_admin {
        let flags = if target.architecture == Architecture::S390x { 1 } else { 0 };
        let no_namespace = Operator::MaskedEqual { mask: 0x7E02_0000, value: 0 };
        rules.push(rule(&["clone"], Action::Allow, condition(flags, no_namespace)));
    }
    let interfaces = MACHINES.iter().find(|it| it.0 == target.architecture).expect("a machine").1;
    Profile {
        default_action: Action::EPERM,
        architectures: ArchitectureList::Listed(
            interfaces.iter().copied().map(Listed::Known).collect(),
        ),
        flags: vec![],
        listener_path: None,
        listener_metadata: None,
        rules,
    }
}

fn name(name: &str) -> Name {
    Syscall::named(name).map_or_else(|| Name::Unknown(name.into()), Name::Known)
}

/// The names under one heading of the facts, none if there is no such heading.
fn facts(heading: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut is_wanted = false;
    for line in FACTS.lines().filter(|it| !it.starts_with('#')) {
        let names = match line.split_once(": ") {
            Some((at, names)) => {
                is_wanted = at == heading;
                names
            }
            None => line,
        };
        if is_wanted {
            found.extend(names.split_whitespace());
        }
    }
    found
}

const FACTS: &str = include_str!("facts/containerd-2.1.9.txt");

/// The machines, and the architectures that containerd lists there.
const MACHINES: &[(Architecture, &[Architecture])] = &[
    (Architecture::X86_64, &[Architecture::X86_64, Architecture::X86, Architecture::X32]),
    (Architecture::Aarch64, &[Architecture::Arm, Architecture::Aarch64]),
    (Architecture::Riscv64, &[Architecture::Riscv64]),
    (Architecture::Ppc64le, &[]),
    (Architecture::S390x, &[Architecture::S390, Architecture::S390x]),
];

const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
