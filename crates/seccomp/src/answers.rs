//! What [`Rules`] say about a number of an architecture, whatever the arguments, and where along the
//! line of numbers that can change.
//!
//! For those who compare rules number by number: [`crate::difference`] and [`crate::algebra`].

use std::collections::BTreeSet;

use stockade_abi::Architecture;
use stockade_abi::syscalls::{self, X32_BIT};

use crate::action::Action;
use crate::condition::Width;
use crate::meaning::{Id, Store, TooComplex};
use crate::rules::{ArchitectureRules, Rule, Rules, SyscallRules};

/// What rules say about one number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer<'a> {
    /// The same whatever the arguments.
    Always(Action),
    /// The same, because the profile is too old to know the number.
    Newer(Action),
    /// The first that matches, else the action.
    First(&'a [Rule], Action),
}

impl Answer<'_> {
    /// The answer as a function of the arguments.
    pub(crate) fn function(self, store: &mut Store, width: Width) -> Result<Id, TooComplex> {
        match self {
            Self::Always(action) | Self::Newer(action) => Ok(store.action(action)),
            Self::First(rules, default) => {
                let default = store.action(default);
                store.first(rules, default, width)
            }
        }
    }
}

/// What `rules` say about a call of that number.
pub(crate) fn answer(rules: &Rules, architecture: Architecture, number: u32) -> Answer<'_> {
    let Some(section) = section(rules, architecture) else {
        return Answer::Always(rules.unlisted);
    };
    match section.syscalls.binary_search_by_key(&number, |it| it.0) {
        Ok(at) => match &section.syscalls[at].1 {
            SyscallRules::Always(action) => Answer::Always(*action),
            SyscallRules::First(list) => Answer::First(list, rules.default),
        },
        Err(_) => match rules.newer {
            Some(newer)
                if number > section.newest && syscalls::is_open_range(architecture, number) =>
            {
                Answer::Newer(newer)
            }
            Some(_) | None => Answer::Always(rules.default),
        },
    }
}

/// The numbers of an architecture in stretches, first and last, within each of which every one of
/// `all` says the same. The numbers of `also` are stretches of their own.
pub(crate) fn stretches(
    all: &[&Rules],
    also: &[u32],
    architecture: Architecture,
) -> Vec<(u32, u32)> {
    let domains: &[(u32, u32)] = match architecture {
        // -1 is x86_64's: see `Call::architecture`.
        Architecture::X86_64 => &[(0, X32_BIT - 1), (u32::MAX, u32::MAX)],
        Architecture::X32 => &[(X32_BIT, u32::MAX - 1)],
        Architecture::X86
        | Architecture::Aarch64
        | Architecture::Arm
        | Architecture::Riscv64
        | Architecture::Ppc64le
        | Architecture::S390x
        | Architecture::S390 => &[(0, u32::MAX)],
    };
    let mut starts = BTreeSet::new();
    starts.extend(syscalls::open_range_end(architecture));
    for &number in also {
        starts.insert(number);
        starts.extend(number.checked_add(1));
    }
    for section in all.iter().filter_map(|it| section(it, architecture)) {
        starts.extend(section.newest.checked_add(1));
        for (number, _) in &section.syscalls {
            starts.insert(*number);
            starts.extend(number.checked_add(1));
        }
    }
    let mut found = Vec::with_capacity(starts.len() + 2);
    for &(first, last) in domains {
        let mut from = first;
        for &start in starts.range(first..=last).filter(|it| **it > first) {
            found.push((from, start - 1));
            from = start;
        }
        found.push((from, last));
    }
    found
}

fn section(rules: &Rules, architecture: Architecture) -> Option<&ArchitectureRules> {
    rules.architectures.iter().find(|it| it.architecture == architecture)
}
