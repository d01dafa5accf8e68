//! Arithmetic of profiles: the stricter or the looser of two, and a profile with single calls denied or
//! allowed.
//!
//! ```text
//! profiles ─ what is wanted, per name and environment ─▶ functions ─ written again ─▶ profile
//!     └───────── what is wanted, per number, on every machine ───── proven equal ────────┘
//! ```
//!
//! In a profile a rule without conditions wins wherever it stands and several conditions on one argument
//! mean *or*, so a rule put beside the others often says nothing. Here the meaning of each name is
//! computed as a function ([`crate::meaning`]) in every environment that its rules tell apart
//! (`cells`), changed, and, where it did change, written again (`write`). All else stays as its
//! author wrote it.
//!
//! None of that is trusted: the result is resolved for every machine, kernel and set of capabilities
//! that its rules or those of its sources tell apart, and compared, call by call, with what was wanted
//! (`prove`). What cannot be written exactly is an error with a call that shows it.

use stockade_abi::Architecture;
use stockade_abi::syscalls::Syscall;
use thiserror::Error;

use crate::action::Action;
use crate::call::Call;
use crate::pattern::{Change, Pattern};
use crate::profile::Profile;
use crate::resolve::{ResolveError, Target};

mod architectures;
mod cells;
mod operation;
mod prove;
mod write;

use operation::{Join, Operation};
use write::Style;

/// A profile that means exactly what was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changed {
    /// The profile.
    pub profile: Profile,
    /// Patterns that were to be denied in no certain way, and what their calls get.
    pub denied_with: Vec<(String, Action)>,
    /// Ways around a change that no filter can close for these arguments alone.
    pub remarks: Vec<Remark>,
}

/// What whoever asked for a change should know.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Remark {
    /// The same can be done by another call, whose arguments lie in memory.
    Open {
        /// The pattern.
        pattern: String,
        /// `socketcall(1, …)`.
        through: String,
        /// The pattern that would close it.
        closed_by: &'static str,
        /// Where.
        architecture: Architecture,
    },
    /// A call that was too new for the profile no longer is; it fails with another error.
    Error {
        /// Which.
        syscall: &'static str,
        /// Where.
        architecture: Architecture,
    },
}

/// Why there is no such profile.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AlgebraError {
    /// One of the profiles means two things at once.
    #[error("{}", .errors.first().map_or(String::new(), ToString::to_string))]
    Contradiction {
        /// Which of them, from 0.
        profile: usize,
        /// Its contradictions.
        errors: Vec<ResolveError>,
    },
    /// The profiles are to be loaded in different ways.
    #[error("the profiles differ in `{field}`")]
    Loading {
        /// The field.
        field: &'static str,
    },
    /// Too many cases to be written down.
    #[error("the rules for `{syscall}` would be too many")]
    TooComplex {
        /// The call.
        syscall: &'static str,
    },
    /// Rules that would ask for two actions in the same case.
    #[error("the rules for `{syscall}` would contradict each other on {architecture}")]
    Contradictory {
        /// The call.
        syscall: &'static str,
        /// Where.
        architecture: Architecture,
    },
    /// No rules say that.
    #[error("no profile says exactly this: {} should get `{wanted}` and would get `{found}`", .call)]
    NotExact {
        /// On this machine.
        target: Box<Target>,
        /// A call that shows it.
        call: Box<Call>,
        /// What it should get.
        wanted: Action,
        /// What it would get.
        found: Action,
    },
}

/// A profile that gives every call the stricter of two answers; of two equally strict ones the first.
///
/// # Errors
///
/// There is no such profile, or one of the two contradicts itself.
pub fn intersect(first: &Profile, second: &Profile) -> Result<Changed, AlgebraError> {
    both(first, second, Join::Stricter)
}

/// A profile that gives every call the looser of two answers; of two equally strict ones the first.
///
/// # Errors
///
/// There is no such profile, or one of the two contradicts itself.
pub fn union(first: &Profile, second: &Profile) -> Result<Changed, AlgebraError> {
    both(first, second, Join::Looser)
}

fn both(first: &Profile, second: &Profile, join: Join) -> Result<Changed, AlgebraError> {
    let operation = Operation::Both { first, second, join };
    let draft = write::write(&operation, Style::Disjoint)?;
    let remarks = prove::prove(&operation, &draft.profile)?;
    Ok(Changed { profile: draft.profile, denied_with: Vec::new(), remarks })
}

/// `base` with the calls of each pattern denied or allowed, in their order: where two patterns meet, the
/// later decides.
///
/// # Errors
///
/// There is no such profile, or `base` contradicts itself.
pub fn overlay(base: &Profile, patterns: &[Pattern]) -> Result<Changed, AlgebraError> {
    let no_way = |_: &Pattern| first_way(base);
    let mut failure = None;
    for style in [Style::Shortest, Style::Disjoint] {
        let chosen = ways(base, patterns, style);
        let by_call = |it: &Pattern| {
            let found = chosen.iter().find(|(syscall, _)| *syscall == it.syscall);
            found.map_or(first_way(base), |it| it.1)
        };
        match attempt(base, patterns, &by_call, style) {
            Ok(changed) => return Ok(changed),
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    attempt(base, patterns, &no_way, Style::Disjoint).map_err(|last| failure.unwrap_or(last))
}

fn attempt(
    base: &Profile,
    patterns: &[Pattern],
    way: &dyn Fn(&Pattern) -> Action,
    style: Style,
) -> Result<Changed, AlgebraError> {
    let complete = complete(patterns, way);
    let operation = Operation::Change { base, patterns: &complete };
    let draft = write::write(&operation, style)?;
    let remarks = prove::prove(&operation, &draft.profile)?;
    let mut denied_with = Vec::new();
    for pattern in patterns.iter().filter(|it| it.action.is_none()) {
        let found = (pattern.text.clone(), way(pattern));
        if !denied_with.contains(&found) {
            denied_with.push(found);
        }
    }
    Ok(Changed { profile: draft.profile, denied_with, remarks })
}

/// For each call that is to be denied in no certain way, the way that takes few rules. The default needs
/// no rules of its own; another error may have them stand in front of what was there.
fn ways(base: &Profile, patterns: &[Pattern], style: Style) -> Vec<(Syscall, Action)> {
    let mut all = vec![first_way(base), Action::EPERM, EACCES];
    all.dedup();
    let mut chosen: Vec<(Syscall, Action)> = Vec::new();
    for syscall in patterns.iter().filter(|it| it.action.is_none()).map(|it| it.syscall) {
        if chosen.iter().any(|it| it.0 == syscall) {
            continue;
        }
        let these: Vec<Pattern> =
            patterns.iter().filter(|it| it.syscall == syscall).cloned().collect();
        let mut best: Option<(usize, Action)> = None;
        for way in &all {
            let complete = complete(&these, &|_| *way);
            let operation = Operation::Change { base, patterns: &complete };
            if let Ok(draft) = write::write(&operation, style)
                && best.is_none_or(|(added, _)| draft.added < added)
            {
                best = Some((draft.added, *way));
            }
            if best.is_some_and(|(added, _)| added <= FEW) {
                break;
            }
        }
        chosen.extend(best.map(|(_, way)| (syscall, way)));
    }
    chosen
}

/// The profile's own way to deny.
fn first_way(base: &Profile) -> Action {
    if base.default_action.lets_through() { Action::EPERM } else { base.default_action }
}

/// The patterns with an action each, and with what they imply for multiplexers: a call that is denied
/// whatever its arguments is denied there too.
fn complete(patterns: &[Pattern], way: &dyn Fn(&Pattern) -> Action) -> Vec<Pattern> {
    let mut all = Vec::new();
    for pattern in patterns {
        let pattern = Pattern {
            action: Some(pattern.action.unwrap_or_else(|| way(pattern))),
            ..pattern.clone()
        };
        if pattern.change == Change::Deny && pattern.conditions.is_empty() {
            all.extend(operation::behind_multiplexer(&pattern));
        }
        all.push(pattern);
    }
    all
}

const EACCES: Action = Action::Errno(stockade_abi::Errno(13));

/// So many rules for what was changed are still easy to read.
const FEW: usize = 8;

#[cfg(test)]
mod tests;
