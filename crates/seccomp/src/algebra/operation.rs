//! What is wanted: of a name, before it has a number, and of a number on one machine.

use stockade_abi::syscalls::{self, Syscall};
use stockade_abi::{Architecture, CapabilitySet};

use super::AlgebraError;
use super::cells::{Environment, Questions};
use crate::action::Action;
use crate::condition::{Condition, Operator, Width};
use crate::meaning::{Id, Store, TooComplex};
use crate::multiplex::multiplexer;
use crate::pattern::{Change, Pattern};
use crate::profile::{Listed, Name, Profile, ProfileRule};
use crate::resolve::{ResolveError, Target, applies, newer, said_of};
use crate::rules::SyscallRules;

/// Which of two answers counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Join {
    Stricter,
    Looser,
}

impl Join {
    pub(super) fn of(self, first: Action, second: Action) -> Action {
        let (one, other) = (first.permissiveness(), second.permissiveness());
        let takes_second = match self {
            Self::Stricter => other < one,
            Self::Looser => other > one,
        };
        if takes_second { second } else { first }
    }
}

/// What is to be done. Of each [`Pattern`] the action is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation<'a> {
    Both { first: &'a Profile, second: &'a Profile, join: Join },
    Change { base: &'a Profile, patterns: &'a [Pattern] },
}

impl<'a> Operation<'a> {
    pub(super) fn profiles(&self) -> Vec<&'a Profile> {
        match *self {
            Self::Both { first, second, .. } => vec![first, second],
            Self::Change { base, .. } => vec![base],
        }
    }

    pub(super) fn patterns(&self) -> &'a [Pattern] {
        match *self {
            Self::Both { .. } => &[],
            Self::Change { patterns, .. } => patterns,
        }
    }

    pub(super) fn default_action(&self) -> Action {
        match *self {
            Self::Both { first, second, join } => {
                join.of(first.default_action, second.default_action)
            }
            Self::Change { base, .. } => base.default_action,
        }
    }
}

/// A profile by the names that its rules have.
pub(super) struct Source<'a> {
    pub(super) profile: &'a Profile,
    /// Rules per system call.
    mentions: Vec<Vec<usize>>,
    newest: Newest,
}

impl<'a> Source<'a> {
    pub(super) fn new(profile: &'a Profile) -> Self {
        let mut mentions = vec![Vec::new(); Syscall::COUNT];
        let mut newest = Newest::default();
        for (index, rule) in profile.rules.iter().enumerate() {
            for name in &rule.names {
                if let Name::Known(syscall) = name {
                    newest.add(*syscall);
                    let rules: &mut Vec<usize> = &mut mentions[syscall.index()];
                    if rules.last() != Some(&index) {
                        rules.push(index);
                    }
                }
            }
        }
        Self { profile, mentions, newest }
    }

    pub(super) fn mentions(&self, syscall: Syscall) -> impl Iterator<Item = &'a ProfileRule> {
        let rules = &self.profile.rules;
        self.mentions[syscall.index()].iter().map(|it| &rules[*it])
    }

    pub(super) fn names(&self, syscall: Syscall) -> bool {
        !self.mentions[syscall.index()].is_empty()
    }

    /// The rules for the call that count there.
    pub(super) fn there(&self, syscall: Syscall, there: &Environment) -> Vec<usize> {
        let Environment { machine, capabilities, kernel } = *there;
        let counts =
            |it: &&usize| applies(&self.profile.rules[**it], machine, capabilities, kernel);
        self.mentions[syscall.index()].iter().filter(counts).copied().collect()
    }

    fn said(
        &self,
        store: &mut Store,
        syscall: Syscall,
        there: &Environment,
        width: Width,
    ) -> Result<Id, Trouble> {
        let default = self.profile.default_action;
        let rules = self.there(syscall, there);
        let said = said_of(self.profile, &rules, width)
            .map_err(|(first, second)| self.contradiction(syscall, first, second))?;
        let default = store.action(default);
        match said {
            Some(SyscallRules::Always(action)) => Ok(store.action(action)),
            Some(SyscallRules::First(list)) => Ok(store.first(&list, default, width)?),
            None if self.names(syscall) || !self.newest.is_older_than(syscall) => Ok(default),
            None => Ok(newer(self.profile.default_action).map_or(default, |it| store.action(it))),
        }
    }

    fn contradiction(&self, syscall: Syscall, first: usize, second: usize) -> Trouble {
        let place = |it: usize| self.profile.rules[it].place;
        let has = |it: &Architecture| syscall.number(*it).is_some();
        Trouble::Contradiction(ResolveError {
            syscall: syscall.name(),
            architecture: Architecture::ALL.into_iter().find(has).unwrap_or(Architecture::X86_64),
            first: place(first),
            second: place(second),
        })
    }
}

/// Why a function could not be computed.
pub(super) enum Trouble {
    TooComplex,
    Contradiction(ResolveError),
}

impl From<TooComplex> for Trouble {
    fn from(TooComplex: TooComplex) -> Self {
        Self::TooComplex
    }
}

impl Trouble {
    pub(super) fn of(self, syscall: Syscall) -> AlgebraError {
        match self {
            Self::TooComplex => AlgebraError::TooComplex { syscall: syscall.name() },
            Self::Contradiction(error) => {
                AlgebraError::Contradiction { profile: 0, errors: vec![error] }
            }
        }
    }
}

/// Everything that can make a difference for one name.
pub(super) fn questions(
    operation: &Operation<'_>,
    sources: &[Source<'_>],
    syscall: Syscall,
) -> Questions {
    let mut all = Questions::default();
    for source in sources {
        source.mentions(syscall).for_each(|it| all.add(it));
    }
    for pattern in operation.patterns().iter().filter(|it| it.syscall == syscall) {
        all.add_selector(&pattern.includes);
        all.add_selector(&pattern.excludes);
    }
    all
}

/// What calls of that name are to get.
pub(super) fn wanted_of_name(
    operation: &Operation<'_>,
    sources: &[Source<'_>],
    store: &mut Store,
    syscall: Syscall,
    there: &Environment,
    width: Width,
) -> Result<Id, Trouble> {
    let said = sources[0].said(store, syscall, there, width)?;
    match operation {
        Operation::Both { join, .. } => {
            let other = sources[1].said(store, syscall, there, width)?;
            Ok(store.join(said, other, |a, b| join.of(a, b))?)
        }
        Operation::Change { patterns, .. } => {
            let mut now = said;
            for pattern in patterns.iter().filter(|it| it.syscall == syscall) {
                if counts(pattern, there.machine, there.capabilities, there.kernel) {
                    now = changed(store, now, pattern, width)?;
                }
            }
            Ok(now)
        }
    }
}

/// What calls of that number are to get, if `said` is what the profiles answer.
pub(super) fn wanted_of_number(
    operation: &Operation<'_>,
    store: &mut Store,
    said: &[Id],
    target: &Target,
    (architecture, number): (Architecture, u32),
) -> Result<Id, TooComplex> {
    match operation {
        Operation::Both { join, .. } => store.join(said[0], said[1], |a, b| join.of(a, b)),
        Operation::Change { patterns, .. } => {
            let mut now = said[0];
            let native = Some(Listed::Known(target.architecture));
            for pattern in *patterns {
                if pattern.syscall.number(architecture) == Some(number)
                    && counts(pattern, native, target.capabilities, target.kernel)
                {
                    now = changed(store, now, pattern, Width::of(architecture))?;
                }
            }
            Ok(now)
        }
    }
}

/// Whether a pattern is about that machine.
pub(super) fn counts(
    pattern: &Pattern,
    machine: Option<Listed>,
    capabilities: CapabilitySet,
    kernel: (u32, u32),
) -> bool {
    applies(&rule(pattern), machine, capabilities, kernel)
}

/// The pattern as a rule, as far as one can say it.
pub(super) fn rule(pattern: &Pattern) -> ProfileRule {
    ProfileRule {
        place: crate::profile::Place::default(),
        names: vec![Name::Known(pattern.syscall)],
        action: pattern.action.unwrap_or(Action::EPERM),
        conditions: Vec::new(),
        includes: pattern.includes.clone(),
        excludes: pattern.excludes.clone(),
        comment: None,
    }
}

fn changed(store: &mut Store, now: Id, pattern: &Pattern, width: Width) -> Result<Id, TooComplex> {
    let Some(action) = pattern.action else { return Ok(now) };
    let mut place = store.yes();
    let no = store.no();
    for (condition, bits) in &pattern.conditions {
        let narrow = if *bits == Width::Bits32 { Width::Bits32 } else { width };
        let one = store.all(&[*condition], narrow)?;
        place = store.choose(one, place, no)?;
    }
    let target = store.action(action);
    let then = store.join(now, target, |before, action| {
        let (is, becomes) = (before.permissiveness(), action.permissiveness());
        let changes = match pattern.change {
            Change::Deny => is >= becomes,
            Change::Allow => is <= becomes,
        };
        if changes { action } else { before }
    })?;
    store.choose(place, then, now)
}

/// The same for the multiplexer behind which the call also lies.
pub(super) fn behind_multiplexer(pattern: &Pattern) -> Option<Pattern> {
    let (outer, inner) = multiplexer(pattern.syscall.name())?;
    // The kernel takes the upper half of `ipc`'s number for a version.
    let operator = match outer {
        "ipc" => Operator::MaskedEqual { mask: 0xFFFF, value: inner.into() },
        _ => Operator::Equal(inner.into()),
    };
    Some(Pattern {
        syscall: Syscall::named(outer)?,
        conditions: vec![(Condition { argument: 0, operator }, Width::Bits32)],
        ..pattern.clone()
    })
}

/// The largest number that names have, per architecture.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest([Option<u32>; Architecture::ALL.len()]);

impl Newest {
    pub(super) fn add(&mut self, syscall: Syscall) {
        for (slot, architecture) in self.0.iter_mut().zip(Architecture::ALL) {
            let number = syscall.number(architecture);
            *slot = (*slot).max(number.filter(|it| syscalls::is_open_range(architecture, *it)));
        }
    }

    /// Whether the call is newer than all of them, wherever it exists.
    pub(super) fn is_older_than(&self, syscall: Syscall) -> bool {
        self.0.iter().zip(Architecture::ALL).all(|(newest, architecture)| {
            syscall.number(architecture).is_none_or(|number| {
                newest.is_some_and(|it| number > it)
                    && syscalls::is_open_range(architecture, number)
            })
        })
    }
}
