//! Why a profile says what it says about one system call.
//!
//! [`resolve`](crate::resolve) forgets where its rules come from, since whoever starts a container
//! has no use for it. Here the same decision is worked out for one number at a time, with the rule
//! of the profile behind every clause, and with the reason why the other rules that name the call do
//! not decide. A property test holds it against [`evaluate`](crate::evaluate).
//!
//! What it does *not* know: lines and columns (a [`Spot`](crate::Spot) finds them).

use std::fmt;

use stockade_abi::syscalls::{self, Syscall};
use stockade_abi::{Architecture, Capability};

use crate::action::Action;
use crate::condition::{Condition, Width};
use crate::profile::Profile;
use crate::resolve::{ResolveError, Target};

mod openers;
mod survey;
mod unmet;

pub use openers::{Opened, opened_with, openers};
pub(crate) use survey::Survey;
pub use unmet::Unmet;

/// What is decided about one number on one architecture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// Where.
    pub architecture: Architecture,
    /// About which number.
    pub number: u32,
    /// If the call is reached through a multiplexer here.
    pub through: Option<Through>,
    /// The first whose conditions hold decides. The last has none.
    pub clauses: Vec<Clause>,
    /// The rules that name the call and do not decide, in the order of the profile.
    pub silent: Vec<Silent>,
}

/// A way to a system call that is itself a system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Through {
    /// `socketcall` or `ipc`.
    pub outer: &'static str,
    /// Its first argument.
    pub inner: u8,
}

/// A part of a decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clause {
    /// All must hold, as the architecture computes them.
    pub conditions: Vec<Condition>,
    /// What is done then.
    pub action: Action,
    /// Who says so.
    pub by: By,
}

/// What a clause comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// The rule of this index.
    Rule(usize),
    /// The profile's default.
    Default,
    /// The call is newer than every one that the profile names.
    Newer,
    /// The architecture is not listed.
    Unlisted,
}

/// A rule that names a call and has no say in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Silent {
    /// Its index.
    pub rule: usize,
    /// Why.
    pub why: Why,
}

/// Why a rule does not decide.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// It is for other machines or processes.
    NotIncluded(Vec<Unmet>),
    /// It says what the default says.
    IsDefault,
    /// That rule has no conditions and decides, wherever it stands.
    Behind(usize),
    /// That earlier rule matches whenever this one does.
    Within(usize),
}

/// How much of a call gets through.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Openness {
    /// Nothing.
    Closed,
    /// It depends on the arguments.
    Partly,
    /// Everything.
    Open,
}

/// Arguments as far as they are known.
pub type Known = [Option<u64>; 6];

/// Explains `syscall` on every architecture of the profile that has it, by its own number and
/// through multiplexers.
///
/// # Errors
///
/// Two rules that contradict each other about it, as [`resolve`](crate::resolve) has it.
pub fn explain(
    profile: &Profile,
    target: &Target,
    syscall: Syscall,
) -> Result<Vec<Explanation>, ResolveError> {
    let survey = Survey::new(profile, target);
    let mut all = Vec::new();
    for &architecture in survey.architectures() {
        if let Some(number) = syscall.number(architecture) {
            all.push(survey.decide(architecture, number)?);
        }
        all.extend(survey.decide_through(architecture, syscall)?);
    }
    Ok(all)
}

/// Explains a number of the machine's own architecture, on x86_64 also of x32.
///
/// # Errors
///
/// Two rules that contradict each other about it, as [`resolve`](crate::resolve) has it.
pub fn explain_number(
    profile: &Profile,
    target: &Target,
    number: u32,
) -> Result<Explanation, ResolveError> {
    let is_x32 = target.architecture == Architecture::X86_64
        && number >= syscalls::X32_BIT
        && number != u32::MAX;
    let architecture = if is_x32 { Architecture::X32 } else { target.architecture };
    Survey::new(profile, target).decide(architecture, number)
}

impl Explanation {
    /// What is left of the decision once some arguments are known: clauses that cannot match are
    /// gone, and so are conditions that hold.
    #[must_use]
    pub fn given(&self, known: &Known) -> Self {
        let width = Width::of(self.architecture);
        let mut clauses = Vec::new();
        for clause in &self.clauses {
            let value = |it: &Condition| known[usize::from(it.argument)];
            let holds = |it: &Condition| value(it).map(|it| width.truncate(it));
            let fails = |it: &Condition| holds(it).is_some_and(|value| !it.operator.holds(value));
            if clause.conditions.iter().any(fails) {
                continue;
            }
            let open = clause.conditions.iter().filter(|it| value(it).is_none()).copied().collect();
            let clause = Clause { conditions: open, ..clause.clone() };
            let is_last = clause.conditions.is_empty();
            clauses.push(clause);
            if is_last {
                break;
            }
        }
        Self { clauses, ..self.clone() }
    }

    /// The action, if it is the same whatever the arguments.
    pub fn verdict(&self) -> Option<Action> {
        let first = self.clauses.first()?.action;
        self.clauses.iter().all(|it| it.action == first).then_some(first)
    }

    /// How much gets through.
    pub fn openness(&self) -> Openness {
        let through = self.clauses.iter().filter(|it| it.action.lets_through()).count();
        match through {
            0 => Openness::Closed,
            it if it == self.clauses.len() => Openness::Open,
            _ => Openness::Partly,
        }
    }

    /// Whether a rule, and not only the default, has a say.
    pub fn is_ruled(&self) -> bool {
        self.clauses.iter().any(|it| matches!(it.by, By::Rule(_)))
    }
}

impl fmt::Display for Through {
    /// `socketcall(1, …)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}, …)", self.outer, self.inner)
    }
}

#[cfg(test)]
mod tests;
