//! From what is wanted of each name to a profile.
//!
//! A name whose meaning is the first profile's stays in that profile's rules. Every other leaves them
//! and gets rules of its own. These are disjoint, or, where that takes fewer, the old ones behind the
//! new ones in the order in which overlapping rules count ([`crate::order`]).

use stockade_abi::Architecture;
use stockade_abi::syscalls::Syscall;

use super::cells::{Cell, Environment, cells};
use super::operation::{
    Join, Newest, Operation, Source, Trouble, counts, questions, wanted_of_name,
};
use super::{AlgebraError, architectures};
use crate::action::Action;
use crate::condition::{Condition, Operator, Width};
use crate::meaning::{Id, Store};
use crate::order::order;
use crate::pattern::{Change, Pattern};
use crate::profile::{Name, Place, Profile, ProfileRule, Selector};
use crate::resolve::newer;
use crate::rules::Rule;

/// A profile that is still to be proven.
pub(super) struct Draft {
    pub(super) profile: Profile,
    /// How many rules were added.
    pub(super) added: usize,
}

/// How rules may be found for what changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// As few as possible; they may overlap.
    Shortest,
    /// In any order.
    Disjoint,
}

pub(super) fn write(operation: &Operation<'_>, style: Style) -> Result<Draft, AlgebraError> {
    let profiles = operation.profiles();
    let sources: Vec<Source<'_>> = profiles.iter().map(|it| Source::new(it)).collect();
    let mut writer = Writer {
        operation,
        style,
        sources: &sources,
        store: Store::default(),
        added: Vec::new(),
        moved: Vec::new(),
        unnamed: Vec::new(),
    };
    for syscall in Syscall::all() {
        writer.name(syscall).map_err(|trouble| trouble.of(syscall))?;
    }
    writer.settle_newer();

    let mut profile = shell(operation)?;
    for rule in &sources[0].profile.rules {
        let mut rule = rule.clone();
        rule.names.retain(|name| match name {
            Name::Known(known) => !writer.moved.contains(known),
            Name::Unknown(_) => {
                rule.action.permissiveness() >= profile.default_action.permissiveness()
            }
        });
        if !rule.names.is_empty() {
            profile.rules.push(rule);
        }
    }
    let added = writer.added.len();
    profile.rules.append(&mut writer.added);
    Ok(Draft { profile, added })
}

/// The result without its rules.
fn shell(operation: &Operation<'_>) -> Result<Profile, AlgebraError> {
    match operation {
        Operation::Change { base, .. } => Ok(Profile { rules: Vec::new(), ..(*base).clone() }),
        Operation::Both { first, second, join } => {
            let differ = |field| Err(AlgebraError::Loading { field });
            if first.flags != second.flags {
                return differ("flags");
            }
            let either = |a: &Option<String>, b: &Option<String>| match (a, b) {
                (Some(a), Some(b)) if a != b => None,
                _ => Some(a.clone().or_else(|| b.clone())),
            };
            let Some(listener_path) = either(&first.listener_path, &second.listener_path) else {
                return differ("listenerPath");
            };
            let metadata = either(&first.listener_metadata, &second.listener_metadata);
            let Some(listener_metadata) = metadata else { return differ("listenerMetadata") };
            Ok(Profile {
                default_action: operation.default_action(),
                architectures: joined(first, second, *join),
                flags: first.flags.clone(),
                listener_path,
                listener_metadata,
                rules: Vec::new(),
            })
        }
    }
}

fn joined(first: &Profile, second: &Profile, join: Join) -> crate::profile::ArchitectureList {
    architectures::join(&first.architectures, &second.architectures, join)
}

struct Writer<'a> {
    operation: &'a Operation<'a>,
    style: Style,
    sources: &'a [Source<'a>],
    store: Store,
    added: Vec<ProfileRule>,
    /// Names that the first profile's rules lose.
    moved: Vec<Syscall>,
    /// Names that no rule of the result has, and what they are to get always.
    unnamed: Vec<(Syscall, Action)>,
}

impl Writer<'_> {
    fn name(&mut self, syscall: Syscall) -> Result<(), Trouble> {
        let Self { operation, sources, .. } = *self;
        let questions = questions(operation, sources, syscall);
        let default = operation.default_action();
        let (first, base) = (&sources[0], &sources[0].profile.default_action);
        let mut is_kept = first.names(syscall) && *base == default;
        let as_it_was = Operation::Change { base: first.profile, patterns: &[] };
        let mut environments = Vec::new();
        let store = &mut self.store;
        let cells: Vec<Cell> = cells::<Trouble>(&questions, &mut |there| {
            let id = wanted_of_name(operation, sources, store, syscall, there, Width::Bits64)?;
            let was = wanted_of_name(&as_it_was, sources, store, syscall, there, Width::Bits64)?;
            is_kept &= id == was;
            environments.push((id, *there));
            Ok(id)
        })?;
        if is_kept {
            return Ok(());
        }
        let is_multiplexer = ["socketcall", "ipc"].contains(&syscall.name());
        let is_named = sources.iter().any(|it| it.names(syscall))
            || operation.patterns().iter().any(|it| it.syscall == syscall);
        if is_multiplexer && !is_named {
            // What it gets follows from the calls behind it.
            return Ok(());
        }
        if let [(_, _, id)] = cells[..]
            && let Some(action) = self.store.constant(id)
            && (action == default || (newer(default) == Some(action) && !is_multiplexer))
        {
            self.unnamed.push((syscall, action));
            if first.names(syscall) {
                self.moved.push(syscall);
            }
            return Ok(());
        }
        self.moved.push(syscall);
        for (includes, excludes, id) in cells {
            let there = environments.iter().find(|it| it.0 == id).map(|it| it.1);
            for rule in self.rules(syscall, id, there)? {
                self.add(syscall, rule, &includes, &excludes);
            }
        }
        Ok(())
    }

    /// The shortest rules that say it.
    fn rules(
        &mut self,
        syscall: Syscall,
        wanted: Id,
        there: Option<Environment>,
    ) -> Result<Vec<Rule>, Trouble> {
        let default = self.operation.default_action();
        let disjoint = self.store.rules(wanted, default, MAX_RULES);
        let ordered = match there {
            Some(there) if self.style == Style::Shortest => {
                self.in_front(syscall, wanted, &there)?
            }
            Some(_) | None => None,
        };
        match (disjoint, ordered) {
            (Ok(disjoint), Some(ordered)) if ordered.len() < disjoint.len() => Ok(ordered),
            (Ok(disjoint), _) => Ok(disjoint),
            (Err(_), Some(ordered)) => Ok(ordered),
            (Err(why), None) => Err(why.into()),
        }
    }

    /// What is denied in front of what was there, if overlapping rules then mean what they should.
    fn in_front(
        &mut self,
        syscall: Syscall,
        wanted: Id,
        there: &Environment,
    ) -> Result<Option<Vec<Rule>>, Trouble> {
        let Operation::Change { base, patterns } = self.operation else { return Ok(None) };
        let Environment { machine, capabilities, kernel } = *there;
        let here: Vec<&Pattern> = patterns
            .iter()
            .filter(|it| it.syscall == syscall && counts(it, machine, capabilities, kernel))
            .collect();
        let mut rules = Vec::new();
        for pattern in &here {
            let Some(rule) = denial(pattern, base.default_action) else { return Ok(None) };
            rules.push(rule);
        }
        // The argument that the denials look at first. Each other rule must look at it too, or at one
        // before it: rules that begin with a later argument come first.
        let firsts: Option<Vec<u8>> =
            rules.iter().map(|it| it.conditions.first().map(|it| it.argument)).collect();
        let Some(argument) = firsts.and_then(|it| it.into_iter().min()) else { return Ok(None) };
        for index in self.sources[0].there(syscall, there) {
            let ProfileRule { action, conditions, .. } = &base.rules[index];
            if *action == base.default_action {
                continue;
            }
            let mut conditions = conditions.clone();
            conditions.sort_by_key(|it| it.argument);
            if conditions.windows(2).any(|pair| pair[0].argument == pair[1].argument) {
                return Ok(None);
            }
            if conditions.first().is_some_and(|it| it.argument <= argument) {
                rules.push(Rule { conditions, action: *action });
                continue;
            }
            for operator in [Operator::LessOrEqual(MIDDLE), Operator::Greater(MIDDLE)] {
                let all = std::iter::once(Condition { argument, operator });
                let conditions = all.chain(conditions.iter().copied()).collect();
                rules.push(Rule { conditions, action: *action });
            }
        }
        for width in [Width::Bits64, Width::Bits32] {
            let there = Environment { ..*there };
            let wanted = match width {
                Width::Bits64 => wanted,
                Width::Bits32 => wanted_of_name(
                    self.operation,
                    self.sources,
                    &mut self.store,
                    syscall,
                    &there,
                    width,
                )?,
            };
            let Ok(sorted) = order(rules.clone(), width) else { return Ok(None) };
            let default = self.store.action(base.default_action);
            if self.store.first(&sorted, default, width)? != wanted {
                return Ok(None);
            }
        }
        Ok(Some(rules))
    }

    fn add(&mut self, syscall: Syscall, rule: Rule, includes: &Selector, excludes: &Selector) {
        let Rule { conditions, action } = rule;
        let same = |it: &&mut ProfileRule| {
            it.action == action
                && it.conditions == conditions
                && it.includes == *includes
                && it.excludes == *excludes
        };
        if let Some(rule) = self.added.iter_mut().find(same) {
            if !rule.names.contains(&Name::Known(syscall)) {
                rule.names.push(Name::Known(syscall));
            }
            return;
        }
        self.added.push(ProfileRule {
            place: Place::default(),
            names: vec![Name::Known(syscall)],
            action,
            conditions,
            includes: includes.clone(),
            excludes: excludes.clone(),
            comment: None,
        });
    }

    /// What no rule names gets the default, or another error if it is newer than all that are named.
    /// Where that is not what is wanted, it must be named after all.
    fn settle_newer(&mut self) {
        let default = self.operation.default_action();
        let Some(newer) = newer(default) else { return };
        let mut newest = Newest::default();
        let added = self.added.iter().flat_map(|it| &it.names);
        let first = self.sources[0].profile.rules.iter().flat_map(|it| &it.names);
        let kept = first.filter(|it| !matches!(it, Name::Known(it) if self.moved.contains(it)));
        for name in added.chain(kept) {
            if let Name::Known(syscall) = name {
                newest.add(*syscall);
            }
        }
        let plain = |action| Rule { conditions: Vec::new(), action };
        let any = Selector::default();
        let mut unnamed = std::mem::take(&mut self.unnamed);
        // The largest first, so that it stands for all below it.
        unnamed.sort_by_key(|(syscall, _)| {
            let number = |it: Architecture| syscall.number(it).filter(|_| it != Architecture::X32);
            std::cmp::Reverse(Architecture::ALL.into_iter().filter_map(number).max())
        });
        for (syscall, _) in unnamed.iter().filter(|it| it.1 == default) {
            if newest.is_older_than(*syscall) {
                self.add(*syscall, plain(default), &any, &any);
                newest.add(*syscall);
            }
        }
        unnamed.sort_by_key(|(syscall, _)| syscall.name());
        for (syscall, _) in unnamed.iter().filter(|it| it.1 == newer) {
            if !newest.is_older_than(*syscall) {
                self.add(*syscall, plain(newer), &any, &any);
            }
        }
    }
}

/// A denial as a rule, if it is one and can be said in one: an action that is not the default, and for
/// each argument one test of bits.
fn denial(pattern: &Pattern, default: Action) -> Option<Rule> {
    let action = pattern.action.filter(|it| *it != default)?;
    if pattern.change != Change::Deny {
        return None;
    }
    let mut conditions: Vec<Condition> = Vec::new();
    for (condition, bits) in &pattern.conditions {
        let operator = match (condition.operator, bits) {
            (Operator::Equal(value), Width::Bits32) => {
                Operator::MaskedEqual { mask: u64::from(u32::MAX), value }
            }
            (it @ (Operator::Equal(_) | Operator::MaskedEqual { .. }), _)
            | (it @ Operator::NotEqual(_), Width::Bits64)
            | (it @ Operator::Less(_), Width::Bits64)
            | (it @ Operator::LessOrEqual(_), Width::Bits64)
            | (it @ Operator::GreaterOrEqual(_), Width::Bits64)
            | (it @ Operator::Greater(_), Width::Bits64) => it,
            (
                Operator::NotEqual(_)
                | Operator::Less(_)
                | Operator::LessOrEqual(_)
                | Operator::GreaterOrEqual(_)
                | Operator::Greater(_),
                Width::Bits32,
            ) => return None,
        };
        if conditions.iter().any(|it| it.argument == condition.argument) {
            return None;
        }
        conditions.push(Condition { argument: condition.argument, operator });
    }
    conditions.sort_by_key(|it| it.argument);
    Some(Rule { conditions, action })
}

/// For one call and one environment. More are no profile that anybody reads.
const MAX_RULES: usize = 128;

/// Where all values are cut in two.
const MIDDLE: u64 = 0x7FFF_FFFF;
