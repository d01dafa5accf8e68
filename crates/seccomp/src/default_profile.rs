//! The profile of `RuntimeDefault`.
//!
//! Equal in verdict to containerd's for the same capabilities, kernel and architecture, but for what
//! `docs/decisions/runtime-default.md` lists: what is not listed fails with `EPERM`, and what is
//! newer than everything listed with `ENOSYS`. The rules that are more than a name:
//!
//! | call | rule |
//! |---|---|
//! | `clone` | no new namespaces, unless `SYS_ADMIN` |
//! | `clone3` | `ENOSYS`, unless `SYS_ADMIN`: its flags lie in memory, and libraries fall back on `clone` |
//! | `lsm_*` | `ENOSYS`, unless `SYS_ADMIN`: libraries fall back on `/proc/self/attr`, which an LSM guards |
//! | `socket` | the families that there are, but `AF_ALG` (CVE-2026-31431) and `AF_VSOCK` (not bound to a namespace) |
//! | `socketcall` | open, in both families: the C libraries of 32-bit programs have no other way to a socket |
//! | `personality` | the values that programs use; none that weakens address randomization |
//! | `io_uring_*` | not listed: its operations would not be seen by the filter |

use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, Capability, CapabilitySet};

use crate::action::Action;
use crate::condition::{Condition, Operator};
use crate::profile::{ArchitectureList, Listed, Name, Place, Profile, ProfileRule, Selector};

mod table;

use table::{ALWAYS, BY_ARCHITECTURE, BY_CAPABILITY, MISSING, SINCE_4_8};

/// The profile. What depends on capabilities, kernel and architecture is in it as conditions, so
/// that [`crate::resolve`] chooses.
pub fn default_profile() -> Profile {
    let known = |architectures: &[Architecture]| {
        architectures.iter().copied().map(Listed::Known).collect::<Vec<_>>()
    };
    let sys_admin: CapabilitySet = [Capability::SysAdmin].into_iter().collect();
    let s390 = known(&[Architecture::S390x, Architecture::S390]);

    let mut rules = vec![allow(ALWAYS)];
    rules.push(ProfileRule {
        includes: Selector { min_kernel: Some((4, 8)), ..Selector::default() },
        ..allow(SINCE_4_8)
    });
    // No `> AF_VSOCK`: the kernel takes the low half of the argument, a filter compares both, and
    // AF_ALG + 2³² would be greater.
    rules.push(allow_if(&["socket"], 0, Operator::Less(AF_ALG)));
    for family in FAMILIES {
        rules.push(allow_if(&["socket"], 0, Operator::Equal(*family)));
    }
    for persona in PERSONAS {
        rules.push(allow_if(&["personality"], 0, Operator::Equal(*persona)));
    }
    for (architectures, names) in BY_ARCHITECTURE {
        let includes = Selector { architectures: known(architectures), ..Selector::default() };
        rules.push(ProfileRule { includes, ..allow(names) });
    }
    for (capability, names) in BY_CAPABILITY {
        let capabilities = [*capability].into_iter().collect();
        let includes = Selector { capabilities, ..Selector::default() };
        rules.push(ProfileRule { includes, ..allow(names) });
    }
    // S/390 has the flags of `clone` in its second argument.
    let no_namespaces = Operator::MaskedEqual { mask: NEW_NAMESPACES, value: 0 };
    rules.push(ProfileRule {
        excludes: Selector {
            capabilities: sys_admin,
            architectures: s390.clone(),
            ..Selector::default()
        },
        ..allow_if(&["clone"], 0, no_namespaces)
    });
    rules.push(ProfileRule {
        includes: Selector { architectures: s390, ..Selector::default() },
        excludes: Selector { capabilities: sys_admin, ..Selector::default() },
        ..allow_if(&["clone"], 1, no_namespaces)
    });
    rules.push(ProfileRule {
        action: Action::ENOSYS,
        excludes: Selector { capabilities: sys_admin, ..Selector::default() },
        ..allow(MISSING)
    });

    let map = |native, subordinate: &[Architecture]| (Listed::Known(native), known(subordinate));
    Profile {
        default_action: Action::EPERM,
        architectures: ArchitectureList::Map(vec![
            map(Architecture::X86_64, &[Architecture::X86, Architecture::X32]),
            map(Architecture::Aarch64, &[Architecture::Arm]),
            map(Architecture::S390x, &[Architecture::S390]),
        ]),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        rules,
    }
}

/// The system calls that [`default_profile`] allows only with `capability` or, of several that open
/// the same one, with any of them.
pub fn opened_by(capability: Capability) -> &'static [&'static str] {
    let found = BY_CAPABILITY.iter().find(|(of, _)| *of == capability);
    found.map_or(&[], |(_, names)| names)
}

fn allow(names: &[&str]) -> ProfileRule {
    let name = |it: &&str| match Syscall::named(it) {
        Some(known) => Name::Known(known),
        None => Name::Unknown((*it).into()),
    };
    ProfileRule {
        place: Place::default(),
        names: names.iter().map(name).collect(),
        action: Action::Allow,
        conditions: Vec::new(),
        includes: Selector::default(),
        excludes: Selector::default(),
        comment: None,
    }
}

fn allow_if(names: &[&str], argument: u8, operator: Operator) -> ProfileRule {
    ProfileRule { conditions: vec![Condition { argument, operator }], ..allow(names) }
}

/// The kernel's crypto API.
const AF_ALG: u64 = 38;

/// The families after `AF_ALG`, without 40, `AF_VSOCK`: sockets to the hypervisor. `AF_NFC`, `AF_KCM`,
/// `AF_QIPCRTR`, `AF_SMC`, `AF_XDP`, `AF_MCTP`.
const FAMILIES: &[u64] = &[39, 41, 42, 43, 44, 45];

/// `PER_LINUX`, `PER_LINUX32`, the same with `UNAME26`, and the question which one is set.
const PERSONAS: &[u64] = &[0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID`, `NEWNET`. A time namespace has
/// no flag of `clone`; its bit is the exit signal's.
const NEW_NAMESPACES: u64 = 0x7E02_0000;

#[cfg(test)]
mod tests;
