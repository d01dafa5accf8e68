//! Profiles made from bytes: few names, few constants, many rules that collide. Text seldom gets so
//! far.

use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, Errno};
use stockade_seccomp::{
    Action, ArchitectureList, Condition, Listed, Name, Operator, Profile, ProfileRule, Selector,
    default_profile,
};

use crate::profile::profile;
use crate::supply::Supply;

pub(crate) fn run(data: &[u8]) {
    let mut supply = Supply::new(data);
    let default_action = action(&mut supply);
    let architectures = match supply.byte() {
        0..64 => ArchitectureList::Native,
        bits => ArchitectureList::Listed(
            Architecture::ALL
                .into_iter()
                .enumerate()
                .filter(|(index, _)| bits >> (index % 8) & 1 == 1)
                .map(|(_, it)| Listed::Known(it))
                .collect(),
        ),
    };
    let mut rules = Vec::new();
    let any = ProfileRule { names: Vec::new(), ..default_profile().rules.swap_remove(0) };
    while !supply.is_empty() && rules.len() < MOST_RULES {
        rules.push(rule(&mut supply, &any));
    }
    profile(&Profile {
        default_action,
        architectures,
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        rules,
    });
}

fn rule(supply: &mut Supply<'_>, any: &ProfileRule) -> ProfileRule {
    let shape = supply.byte();
    let names = (0..=shape >> 6).map(|_| name(supply)).collect();
    let conditions = (0..shape & 3).map(|_| condition(supply)).collect();
    let architectures = match shape >> 2 & 15 {
        0 => vec![Listed::Known(Architecture::S390x)],
        _ => Vec::new(),
    };
    let action = action(supply);
    let includes = Selector { architectures, ..Selector::default() };
    ProfileRule { names, action, conditions, includes, ..any.clone() }
}

fn name(supply: &mut Supply<'_>) -> Name {
    let known = match supply.byte() {
        index @ 0..128 => Syscall::named(NAMES[usize::from(index) % NAMES.len()]),
        index => Syscall::all().nth(usize::from(index & 127) * 4),
    };
    known.map_or_else(|| Name::Unknown("nope".into()), Name::Known)
}

fn condition(supply: &mut Supply<'_>) -> Condition {
    let choice = supply.byte();
    let value = value(supply);
    let operator = match choice >> 3 & 7 {
        0 | 7 => Operator::Equal(value),
        1 => Operator::NotEqual(value),
        2 => Operator::Less(value),
        3 => Operator::LessOrEqual(value),
        4 => Operator::GreaterOrEqual(value),
        5 => Operator::Greater(value),
        _ => Operator::MaskedEqual { mask: self::value(supply), value },
    };
    Condition { argument: (choice & 7) % 6, operator }
}

/// A small number, moved into either half and inverted now and then.
fn value(supply: &mut Supply<'_>) -> u64 {
    let choice = supply.byte();
    let small = u64::from(supply.byte());
    let moved = match choice & 3 {
        0 => small,
        1 => small << 24,
        2 => small << 32 | 5,
        _ => small << 56,
    };
    if choice & 4 == 0 { moved } else { !moved }
}

fn action(supply: &mut Supply<'_>) -> Action {
    supply.one(&[
        Action::Allow,
        Action::EPERM,
        Action::ENOSYS,
        Action::Errno(Errno(4095)),
        Action::KillProcess,
        Action::KillThread,
        Action::Trap,
        Action::Notify,
        Action::Trace(7),
        Action::Log,
    ])
}

const MOST_RULES: usize = 128;

/// Some that are multiplexed, some that only one architecture has, the first and the last.
const NAMES: &[&str] = &[
    "read",
    "socket",
    "socketpair",
    "clone",
    "personality",
    "ipc",
    "semop",
    "socketcall",
    "msgget",
    "cacheflush",
    "set_tls",
    "arch_prctl",
    "uretprobe",
    "mseal",
    "rseq_slice_yield",
    "execveat",
    "_llseek",
    "stime",
];
