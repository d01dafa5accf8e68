//! A profile by the names in it, so that many numbers can be asked about.

use std::num::NonZeroU8;

use stockade_abi::Architecture;
use stockade_abi::syscalls::{self, Syscall};

use super::unmet::unmet;
use super::{By, Clause, Explanation, Silent, Through, Why};
use crate::condition::Width;
use crate::multiplex::Multiplexed;
use crate::order::sequence;
use crate::profile::{Name, Profile};
use crate::resolve::{
    ResolveError, Target, UNLISTED, alternatives, applies_on, architectures, is_plain, newer,
    normalize,
};
use crate::rules::Rule;

/// A profile, for one machine and one set of capabilities.
pub(crate) struct Survey<'a> {
    profile: &'a Profile,
    target: &'a Target,
    architectures: Vec<Architecture>,
    /// Whether each rule counts: it applies and is not the default.
    counts: Vec<bool>,
    /// Per system call the rules that name it.
    named: Vec<Vec<usize>>,
}

/// A rule that names a number, maybe as what a multiplexer does.
type Mention = (usize, Option<NonZeroU8>);

impl<'a> Survey<'a> {
    pub(crate) fn new(profile: &'a Profile, target: &'a Target) -> Self {
        let mut named: Vec<Vec<usize>> = vec![Vec::new(); Syscall::COUNT];
        for (index, rule) in profile.rules.iter().enumerate() {
            for name in &rule.names {
                let Name::Known(syscall) = name else { continue };
                let rules = &mut named[syscall.index()];
                if rules.last() != Some(&index) {
                    rules.push(index);
                }
            }
        }
        let counts = profile
            .rules
            .iter()
            .map(|it| applies_on(it, target) && it.action != profile.default_action)
            .collect();
        let architectures = architectures(&profile.architectures, target.architecture);
        Self { profile, target, architectures, counts, named }
    }

    /// Those that the profile speaks about, the machine's own first.
    pub(crate) fn architectures(&self) -> &[Architecture] {
        &self.architectures
    }

    /// The decision about a number.
    pub(crate) fn decide(
        &self,
        architecture: Architecture,
        number: u32,
    ) -> Result<Explanation, ResolveError> {
        if !self.architectures.contains(&architecture) {
            let unlisted = Clause { conditions: Vec::new(), action: UNLISTED, by: By::Unlisted };
            return Ok(explanation(architecture, number, vec![unlisted], Vec::new()));
        }
        let width = Width::of(architecture);
        let rule = |index: usize| &self.profile.rules[index];
        let mentions = self.mentions(architecture, number);
        let plain = mentions.iter().find(|(index, inner)| {
            inner.is_none() && self.counts[*index] && is_plain(rule(*index), width)
        });
        let mut silent = Vec::new();
        let mut counting = Vec::new();
        for &(index, inner) in &mentions {
            let unmet = unmet(rule(index), self.target);
            let why = if !unmet.is_empty() {
                Why::NotIncluded(unmet)
            } else if !self.counts[index] {
                Why::IsDefault
            } else {
                match plain {
                    Some((other, _)) if *other != index => Why::Behind(*other),
                    _ => {
                        counting.push((index, inner));
                        continue;
                    }
                }
            };
            silent.push(Silent { rule: index, why });
        }
        let clauses = match plain {
            Some((index, _)) => {
                let action = rule(*index).action;
                vec![Clause { conditions: Vec::new(), action, by: By::Rule(*index) }]
            }
            None => self.conditional(architecture, number, &counting, &mut silent)?,
        };
        silent.sort_by_key(|it| it.rule);
        silent.dedup();
        Ok(explanation(architecture, number, clauses, silent))
    }

    /// The decision about what lies behind a multiplexer, if the architecture has one for it.
    pub(crate) fn decide_through(
        &self,
        architecture: Architecture,
        syscall: Syscall,
    ) -> Result<Option<Explanation>, ResolveError> {
        let found = Multiplexed::on(architecture).and_then(|it| it.get(syscall));
        let Some((outer, inner)) = found else { return Ok(None) };
        let whole = self.decide(architecture, outer)?;
        let inner = inner.get();
        let outer = syscalls::name(architecture, outer).unwrap_or("?");
        let first = [Some(inner.into()), None, None, None, None, None];
        let names_it = |it: &Silent| {
            let names = &self.profile.rules[it.rule].names;
            names.iter().any(|it| match it {
                Name::Known(known) => *known == syscall || known.name() == outer,
                Name::Unknown(_) => false,
            })
        };
        let mut part = whole.given(&first);
        part.silent.retain(names_it);
        Ok(Some(Explanation { through: Some(Through { outer, inner }), ..part }))
    }

    /// The rules that name the number, in the order of the profile.
    fn mentions(&self, architecture: Architecture, number: u32) -> Vec<Mention> {
        let multiplexed = Multiplexed::on(architecture);
        let mut all: Vec<Mention> = Vec::new();
        for syscall in Syscall::all() {
            let rules = &self.named[syscall.index()];
            if rules.is_empty() {
                continue;
            }
            if syscall.number(architecture) == Some(number) {
                all.extend(rules.iter().map(|it| (*it, None)));
            }
            let through = multiplexed.as_ref().and_then(|it| it.get(syscall));
            if let Some((outer, inner)) = through
                && outer == number
            {
                all.extend(rules.iter().map(|it| (*it, Some(inner))));
            }
        }
        all.sort_by_key(|(index, _)| *index);
        all
    }

    fn conditional(
        &self,
        architecture: Architecture,
        number: u32,
        mentions: &[Mention],
        silent: &mut Vec<Silent>,
    ) -> Result<Vec<Clause>, ResolveError> {
        let width = Width::of(architecture);
        let mut rules: Vec<Rule> = Vec::new();
        let mut from: Vec<usize> = Vec::new();
        for &(index, inner) in mentions {
            let rule = &self.profile.rules[index];
            for conditions in alternatives(&rule.conditions) {
                let conditions = normalize(conditions, inner, width);
                rules.push(Rule { conditions, action: rule.action });
                from.push(index);
            }
        }
        let sequence = sequence(&rules, width).map_err(|it| ResolveError {
            syscall: syscalls::name(architecture, number).unwrap_or("?"),
            architecture,
            first: self.profile.rules[from[it.first]].place,
            second: self.profile.rules[from[it.second]].place,
        })?;
        let mut is_dead = vec![true; rules.len()];
        for index in &sequence {
            is_dead[*index] = false;
        }
        for index in (0..rules.len()).filter(|it| is_dead[*it]) {
            let conditions = &rules[index].conditions;
            let earlier = (0..index).find(|it| conditions.starts_with(&rules[*it].conditions));
            let earlier = earlier.map_or(from[index], |it| from[it]);
            silent.push(Silent { rule: from[index], why: Why::Within(earlier) });
        }
        let clause = |index: usize| {
            let Rule { conditions, action } = rules[index].clone();
            Clause { conditions, action, by: By::Rule(from[index]) }
        };
        let mut clauses: Vec<Clause> = sequence.into_iter().map(clause).collect();
        clauses.push(self.last(architecture, number, clauses.is_empty()));
        Ok(clauses)
    }

    /// What is done if no rule matches.
    fn last(&self, architecture: Architecture, number: u32, is_unnamed: bool) -> Clause {
        let default = self.profile.default_action;
        let (action, by) = match newer(default) {
            Some(newer) if is_unnamed && self.is_newer(architecture, number) => (newer, By::Newer),
            _ => (default, By::Default),
        };
        Clause { conditions: Vec::new(), action, by }
    }

    /// Whether the profile is too old to know the number.
    fn is_newer(&self, architecture: Architecture, number: u32) -> bool {
        let named = Syscall::all().filter(|it| !self.named[it.index()].is_empty());
        let numbers = named.filter_map(|it| it.number(architecture));
        let newest = numbers.filter(|it| syscalls::is_open_range(architecture, *it)).max();
        syscalls::is_open_range(architecture, number) && newest.is_some_and(|it| number > it)
    }
}

fn explanation(
    architecture: Architecture,
    number: u32,
    clauses: Vec<Clause>,
    silent: Vec<Silent>,
) -> Explanation {
    Explanation { architecture, number, through: None, clauses, silent }
}
