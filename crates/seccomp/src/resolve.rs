//! From a profile to what it means on one machine.
//!
//! The meaning is libseccomp's, with which the profiles in the world were tested; where it leaves a
//! hole, the answer is named here.
//!
//! - **Architectures**: the native one always; of the listed ones (or of Docker's map, the entry of
//!   the native one) those that the same kernel can run. A call of any other kills the process.
//! - **A rule whose action is the default** says nothing and is skipped.
//! - **A rule without conditions** decides, wherever it stands; the first of several.
//! - **Conditions** of one rule must all hold. If one argument occurs twice in a rule, each of its
//!   conditions is a rule of its own, as runc reads it.
//! - **Several rules with conditions**: see [`crate::order`]. A contradiction is an error.
//! - **Multiplexers** (`socketcall`, `ipc`): see [`crate::multiplex`].
//! - **Newer system calls**: with a default that is an error, a number above every one that the
//!   profile names gets `ENOSYS` instead. A library tries a new call and falls back on `ENOSYS`;
//!   `EPERM` breaks it. With any other default, and where the profile names nothing, they get that
//!   default.

use std::fmt;
use std::num::NonZeroU8;

use stockade_abi::syscalls::{self, X32_BIT};
use stockade_abi::{Architecture, CapabilitySet};

use crate::action::Action;
use crate::condition::{Condition, Operator, Width};
use crate::multiplex::Multiplexed;
use crate::order::order;
use crate::profile::{ArchitectureList, Listed, Name, Place, Profile, ProfileRule, Selector};
use crate::rules::{ArchitectureRules, Rule, Rules, SyscallRules};

/// What a profile may ask about: the machine and the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    /// The machine's own architecture.
    pub architecture: Architecture,
    /// The bounding set of the process.
    pub capabilities: CapabilitySet,
    /// Major and minor version of the kernel.
    pub kernel: (u32, u32),
}

/// A profile that means two things at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResolveError {
    /// The system call that both rules decide on.
    pub syscall: &'static str,
    /// On this architecture.
    pub architecture: Architecture,
    /// The earlier rule.
    pub first: Place,
    /// The later rule.
    pub second: Place,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the rule for `{}` at {} contradicts the one at {} ({})",
            self.syscall, self.second, self.first, self.architecture
        )
    }
}

impl std::error::Error for ResolveError {}

/// Works out what `profile` means on `target`.
///
/// # Errors
///
/// Rules that libseccomp too would refuse, because they ask for two actions in the same case.
pub fn resolve(profile: &Profile, target: &Target) -> Result<Rules, Vec<ResolveError>> {
    let applies: Vec<bool> = profile.rules.iter().map(|it| applies_on(it, target)).collect();
    let mut errors = Vec::new();
    let architectures = architectures(&profile.architectures, target.architecture)
        .into_iter()
        .map(|it| section(profile, &applies, it, &mut errors))
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Rules {
        default: profile.default_action,
        unlisted: UNLISTED,
        newer: newer(profile.default_action),
        architectures,
    })
}

/// The profile without what does not apply on `target`, and without conditions on machines: its
/// meaning there, for readers who do not know Docker's fields.
///
/// Names of rules that do not apply stay, in a rule of the default action: a profile is as new as the
/// newest call that it names.
pub fn flatten(profile: &Profile, target: &Target) -> Profile {
    let plain = |rule: &ProfileRule| ProfileRule {
        includes: Selector::default(),
        excludes: Selector::default(),
        ..rule.clone()
    };
    let (kept, left_out): (Vec<_>, Vec<_>) =
        profile.rules.iter().partition(|it| applies_on(it, target));
    let mut rules: Vec<ProfileRule> = kept.into_iter().map(plain).collect();
    if let Some(first) = left_out.first() {
        let mut names: Vec<Name> = Vec::new();
        let all = left_out.iter().flat_map(|it| &it.names);
        for name in all.filter(|it| matches!(it, Name::Known(_))) {
            let is_named = rules.iter().any(|it| it.names.contains(name)) || names.contains(name);
            if !is_named {
                names.push(name.clone());
            }
        }
        if !names.is_empty() {
            let (action, conditions) = (profile.default_action, Vec::new());
            rules.push(ProfileRule { names, action, conditions, ..plain(first) });
        }
    }
    let listed = architectures(&profile.architectures, target.architecture);
    let architectures = listed.into_iter().map(Listed::Known).collect();
    Profile { architectures: ArchitectureList::Listed(architectures), rules, ..profile.clone() }
}

/// For numbers that the profile is too old to know, `None` if that is the default.
pub(crate) fn newer(default: Action) -> Option<Action> {
    let is_error = matches!(default, Action::Errno(_));
    (is_error && default != Action::ENOSYS).then_some(Action::ENOSYS)
}

/// The architectures that a profile speaks about on a machine, its own first.
pub(crate) fn architectures(list: &ArchitectureList, native: Architecture) -> Vec<Architecture> {
    let listed: &[Listed] = match list {
        ArchitectureList::Native => &[],
        ArchitectureList::Listed(listed) => listed,
        ArchitectureList::Map(map) => map
            .iter()
            .find(|(key, _)| *key == Listed::Known(native))
            .map_or(&[], |(_, subordinate)| subordinate),
    };
    let mut all = vec![native];
    for one in listed {
        match one {
            Listed::Known(known) if shares_kernel(native, *known) && !all.contains(known) => {
                all.push(*known);
            }
            Listed::Known(_) | Listed::Foreign(_) => {}
        }
    }
    all
}

/// Whether a kernel of architecture `native` also runs programs of `other`.
fn shares_kernel(native: Architecture, other: Architecture) -> bool {
    use Architecture::{Aarch64, Arm, Ppc64le, Riscv64, S390, S390x, X32, X86, X86_64};
    let family = |it| match it {
        X86_64 | X32 | X86 => 0,
        Aarch64 | Arm => 1,
        Riscv64 => 2,
        Ppc64le => 3,
        S390x | S390 => 4,
    };
    family(native) == family(other)
}

/// Whether a rule counts on a machine, for a process.
pub(crate) fn applies_on(rule: &ProfileRule, target: &Target) -> bool {
    let native = Some(Listed::Known(target.architecture));
    applies(rule, native, target.capabilities, target.kernel)
}

/// Whether a rule counts there. `native` is `None` on a machine that no rule knows.
pub(crate) fn applies(
    rule: &ProfileRule,
    native: Option<Listed>,
    capabilities: CapabilitySet,
    kernel: (u32, u32),
) -> bool {
    let ProfileRule { includes, excludes, .. } = rule;
    let is_in = |list: &[Listed]| native.is_some_and(|it| list.contains(&it));
    let included = (includes.architectures.is_empty() || is_in(&includes.architectures))
        && includes.capabilities.is_subset(capabilities)
        && includes.min_kernel.is_none_or(|least| kernel >= least);
    let excluded = is_in(&excludes.architectures)
        || !excludes.capabilities.intersection(capabilities).is_empty()
        || excludes.min_kernel.is_some_and(|least| kernel >= least);
    included && !excluded
}

/// What those of `rules` that name `syscall` say about it by that name, if anything: as
/// [`resolve`], but for no architecture in particular. The error is two rules that contradict each
/// other.
pub(crate) fn said_of(
    profile: &Profile,
    rules: &[usize],
    width: Width,
) -> Result<Option<SyscallRules>, (usize, usize)> {
    let counts = |it: &&usize| profile.rules[**it].action != profile.default_action;
    let counting: Vec<usize> = rules.iter().filter(counts).copied().collect();
    if let Some(plain) = counting.iter().find(|it| is_plain(&profile.rules[**it], width)) {
        return Ok(Some(SyscallRules::Always(profile.rules[*plain].action)));
    }
    if counting.is_empty() {
        return Ok(None);
    }
    let mention = |it: &usize| Mention { rule: *it as u32, inner: None };
    let mentions: Vec<Mention> = counting.iter().map(mention).collect();
    combine(profile, &mentions, width).map(Some)
}

/// What one rule of the profile says about one number.
#[derive(Clone, Copy)]
struct Mention {
    rule: u32,
    /// Behind a multiplexer: the number of the inner call.
    inner: Option<NonZeroU8>,
}

fn section(
    profile: &Profile,
    applies: &[bool],
    architecture: Architecture,
    errors: &mut Vec<ResolveError>,
) -> ArchitectureRules {
    let mut newest = None;
    let mut mentions = Mentions { slots: [Slot::Nothing; SLOTS], lists: Vec::new(), used: 0 };
    let multiplexed = Multiplexed::on(architecture);
    for (index, rule) in (0..).zip(&profile.rules) {
        let counts = applies[index as usize] && rule.action != profile.default_action;
        let is_plain = is_plain(rule, Width::of(architecture));
        for name in &rule.names {
            let Name::Known(syscall) = name else { continue };
            if let Some(number) = syscall.number(architecture) {
                if syscalls::is_open_range(architecture, number) {
                    newest = newest.max(Some(number));
                }
                match (counts, is_plain) {
                    (true, true) => mentions.always(number, index),
                    (true, false) => mentions.add(number, Mention { rule: index, inner: None }),
                    (false, _) => {}
                }
            }
            if counts
                && let Some((outer, inner)) = multiplexed.as_ref().and_then(|it| it.get(*syscall))
            {
                mentions.add(outer, Mention { rule: index, inner: Some(inner) });
            }
        }
    }

    let mut syscalls = Vec::with_capacity(mentions.used);
    for (slot, said) in mentions.slots.iter().enumerate() {
        let number = number_of(architecture, slot);
        match said {
            Slot::Nothing => {}
            Slot::Always(rule) => {
                let action = profile.rules[*rule as usize].action;
                syscalls.push((number, SyscallRules::Always(action)));
            }
            Slot::List(list) => {
                let list = &mentions.lists[*list as usize];
                match combine(profile, list, Width::of(architecture)) {
                    Ok(rules) => syscalls.push((number, rules)),
                    Err((first, second)) => errors.push(ResolveError {
                        syscall: syscalls::name(architecture, number).unwrap_or("?"),
                        architecture,
                        first: profile.rules[first].place,
                        second: profile.rules[second].place,
                    }),
                }
            }
        }
    }
    ArchitectureRules { architecture, newest: newest.unwrap_or(u32::MAX), syscalls }
}

/// Puts together what rules with conditions say about one number. The error is the indices
/// of two rules that contradict each other.
fn combine(
    profile: &Profile,
    mentions: &[Mention],
    width: Width,
) -> Result<SyscallRules, (usize, usize)> {
    let mut rules = Vec::with_capacity(mentions.len());
    let mut from = Vec::with_capacity(mentions.len());
    for mention in mentions {
        let rule = &profile.rules[mention.rule as usize];
        for conditions in alternatives(&rule.conditions) {
            let conditions = normalize(conditions, mention.inner, width);
            rules.push(Rule { conditions, action: rule.action });
            from.push(mention.rule as usize);
        }
    }
    match order(rules, width) {
        Ok(sorted) => Ok(SyscallRules::First(sorted)),
        Err(contradiction) => Err((from[contradiction.first], from[contradiction.second])),
    }
}

/// The rules that a list of conditions stands for: one, or one per condition if an argument occurs
/// twice.
pub(crate) fn alternatives(conditions: &[Condition]) -> impl Iterator<Item = &[Condition]> {
    let repeats = conditions.iter().enumerate().any(|(index, condition)| {
        conditions[..index].iter().any(|other| other.argument == condition.argument)
    });
    let size = if repeats { 1 } else { conditions.len().max(1) };
    let none = conditions.is_empty().then_some(conditions);
    conditions.chunks(size).chain(none)
}

/// Whether a rule applies whatever the arguments: it has no conditions, or none that counts.
pub(crate) fn is_plain(rule: &ProfileRule, width: Width) -> bool {
    alternatives(&rule.conditions)
        .any(|conditions| conditions.iter().all(|it| it.operator.on(width).is_void()))
}

/// Conditions as `width` computes them, by argument, without those that always hold.
pub(crate) fn normalize(
    conditions: &[Condition],
    inner: Option<NonZeroU8>,
    width: Width,
) -> Vec<Condition> {
    let mut all: Vec<Condition> = conditions
        .iter()
        .filter(|it| inner.is_none() || it.argument != 0)
        .map(|it| Condition { argument: it.argument, operator: it.operator.on(width) })
        .chain(
            inner.map(|it| Condition { argument: 0, operator: Operator::Equal(it.get().into()) }),
        )
        .filter(|it| !it.operator.is_void())
        .collect();
    all.sort_by_key(|it| it.argument);
    all
}

/// What is said about each number. An array, not a map, so that nothing is sorted and little is
/// allocated.
struct Mentions {
    slots: [Slot; SLOTS],
    lists: Vec<Vec<Mention>>,
    /// How many slots say something.
    used: usize,
}

#[derive(Clone, Copy)]
enum Slot {
    Nothing,
    /// A rule without conditions. The first of them hides all else.
    Always(u32),
    /// Rules with conditions, in the order of the profile.
    List(u32),
}

impl Mentions {
    #[inline]
    fn always(&mut self, number: u32, rule: u32) {
        let slot = &mut self.slots[slot(number)];
        match slot {
            Slot::Nothing => {
                self.used += 1;
                *slot = Slot::Always(rule);
            }
            Slot::List(_) => *slot = Slot::Always(rule),
            Slot::Always(_) => {}
        }
    }

    fn add(&mut self, number: u32, mention: Mention) {
        let slot = &mut self.slots[slot(number)];
        match slot {
            Slot::Nothing => {
                self.used += 1;
                *slot = Slot::List(self.lists.len() as u32);
                self.lists.push(vec![mention]);
            }
            Slot::List(list) => self.lists[*list as usize].push(mention),
            Slot::Always(_) => {}
        }
    }
}

/// The place of a number: x32's without their bit, ARM's private ones at the end.
#[inline]
fn slot(number: u32) -> usize {
    match (number & !X32_BIT) as usize {
        small if small < PRIVATE => small,
        large => PRIVATE + large % 16,
    }
}

/// The number that belongs to a place.
fn number_of(architecture: Architecture, slot: usize) -> u32 {
    match (slot.checked_sub(PRIVATE), architecture == Architecture::X32) {
        (Some(private), _) => ARM_PRIVATE + private as u32,
        (None, true) => X32_BIT + slot as u32,
        (None, false) => slot as u32,
    }
}

/// For calls of architectures that are not listed.
pub(crate) const UNLISTED: Action = Action::KillProcess;

/// Twice as many as any architecture needs; a test says when they run out.
const SLOTS: usize = 1024;
const PRIVATE: usize = SLOTS - 16;
const ARM_PRIVATE: u32 = 0x000F_0000;

#[cfg(test)]
mod tests;
