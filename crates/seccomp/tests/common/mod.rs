//! Random profiles, small and full of collisions: few names, few constants, many rules.

use proptest::prelude::*;
use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, CapabilitySet, Errno};
use stockade_seccomp::{
    Action, ArchitectureList, Condition, Listed, Name, Operator, Place, Profile, ProfileRule,
    Selector, Target,
};

/// The machine that the profiles are for.
pub(crate) const TARGET: Target = Target {
    architecture: Architecture::X86_64,
    capabilities: CapabilitySet::EMPTY,
    kernel: (6, 12),
};

pub(crate) fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::EPERM),
        Just(Action::ENOSYS),
        Just(Action::Errno(Errno(22))),
        Just(Action::KillProcess),
        Just(Action::KillThread),
        Just(Action::Trap),
        Just(Action::Trace(7)),
        Just(Action::Log),
    ]
}

/// Values around the border between the halves.
pub(crate) fn any_value() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![
        0,
        1,
        5,
        16,
        40,
        0x7E02_0000,
        0xFFFF_FFFE,
        0xFFFF_FFFF,
        0x1_0000_0000,
        0x1_0000_0005,
        0x5_0000_0010,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ])
}

pub(crate) fn any_operator() -> impl Strategy<Value = Operator> {
    (0..7, any_value(), any_value()).prop_map(|(operator, value, mask)| match operator {
        0 => Operator::Equal(value),
        1 => Operator::NotEqual(value),
        2 => Operator::Less(value),
        3 => Operator::LessOrEqual(value),
        4 => Operator::Greater(value),
        5 => Operator::GreaterOrEqual(value),
        _ => Operator::MaskedEqual { mask, value },
    })
}

pub(crate) fn any_condition() -> impl Strategy<Value = Condition> {
    (0..3u8, any_operator()).prop_map(|(argument, operator)| Condition { argument, operator })
}

pub(crate) fn any_rule(
    actions: impl Strategy<Value = Action>,
    conditions: usize,
) -> impl Strategy<Value = ProfileRule> {
    let names = prop::collection::vec(prop::sample::select(NAMES), 1..3);
    (names, actions, prop::collection::vec(any_condition(), 0..=conditions)).prop_map(
        |(names, action, conditions)| ProfileRule {
            place: Place::default(),
            names: names.iter().filter_map(|it| Syscall::named(it)).map(Name::Known).collect(),
            action,
            conditions,
            includes: Selector::default(),
            excludes: Selector::default(),
            comment: None,
        },
    )
}

pub(crate) fn any_architectures() -> impl Strategy<Value = ArchitectureList> {
    let all = vec![Listed::Known(Architecture::X86), Listed::Known(Architecture::X32)];
    prop::sample::subsequence(all, 0..=2).prop_map(ArchitectureList::Listed)
}

/// A profile with up to `rules` rules of up to `conditions` conditions each.
pub(crate) fn any_profile(rules: usize, conditions: usize) -> impl Strategy<Value = Profile> {
    let rules = prop::collection::vec(any_rule(any_action(), conditions), 0..=rules);
    (any_action(), any_architectures(), rules).prop_map(|(default_action, architectures, rules)| {
        Profile {
            default_action,
            architectures,
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            rules,
        }
    })
}

/// Plain ones, some behind multiplexers, one that i386 has only there, one that x32 renumbers, and
/// the largest.
pub(crate) const NAMES: &[&str] = &[
    "read",
    "write",
    "ioctl",
    "clone",
    "personality",
    "socket",
    "bind",
    "accept",
    "semop",
    "openat2",
];
