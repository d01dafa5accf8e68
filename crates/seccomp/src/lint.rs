//! What in a profile is probably not what its author meant.
//!
//! One lint is one file in `lint/` and one line in [`LINTS`]. The header of its file is its
//! specification, its `cases` are its test. A lint is asked about a profile for one machine and one
//! set of capabilities, since a rule that does not count there does no harm there.
//!
//! Severities: an *error* is a hole in what the profile sets out to close, or a container that
//! cannot work; a *warning* is likely to surprise; a *note* is a fact worth knowing.
//!
//! What it does *not* know: how findings are shown.

use stockade_abi::Architecture;
use stockade_abi::bpf::Program;
use stockade_abi::syscalls::Syscall;

use crate::compile::{CompileError, compile};
use crate::explain::{By, Clause, Explanation, Openness, Survey};
use crate::profile::{Name, Parsed, Place, Profile, ProfileError, ProfileErrorKind, ProfileRule};
use crate::resolve::{ResolveError, Target, resolve};
use crate::spot::Spot;

mod argument_width;
mod bits_outside_mask;
mod breaks_libraries;
mod contradiction;
mod families;
mod io_uring;
mod kill_thread;
mod many_rules;
mod missing_architecture;
mod needless_x32;
mod no_exec;
mod no_exit;
mod no_listener;
mod open_default;
mod open_multiplexer;
mod open_sibling;
mod program_size;
mod repeated_argument;
mod runtime_calls;
mod shadowed_rule;
#[cfg(test)]
mod testing;
mod trace_action;
mod unknown_syscall;
mod void_rule;

/// Every lint, by name.
///
/// To add one, add its file and its line here.
pub const LINTS: &[Lint] = &[
    argument_width::LINT,
    bits_outside_mask::LINT,
    breaks_libraries::LINT,
    contradiction::LINT,
    io_uring::LINT,
    kill_thread::LINT,
    many_rules::LINT,
    missing_architecture::LINT,
    needless_x32::LINT,
    no_exec::LINT,
    no_exit::LINT,
    no_listener::LINT,
    open_default::LINT,
    open_multiplexer::LINT,
    open_sibling::LINT,
    program_size::LINT,
    repeated_argument::LINT,
    runtime_calls::LINT,
    shadowed_rule::LINT,
    trace_action::LINT,
    unknown_syscall::LINT,
    void_rule::LINT,
];

/// One lint.
#[derive(Debug)]
pub struct Lint {
    /// Its name: words with hyphens.
    pub id: &'static str,
    /// How bad its findings can be.
    pub severities: &'static [Severity],
    /// What it finds, for a table.
    pub finds: &'static str,
    run: fn(&Subject<'_>, &mut Vec<Found>),
    #[cfg(test)]
    cases: &'static [testing::Case],
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// A fact worth knowing.
    Note,
    /// Likely to surprise.
    Warning,
    /// A hole, or a container that cannot work.
    Error,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that a lint has to say about a profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The lint's name, or [`MALFORMED`].
    pub lint: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Line and column, `None` if the profile has no text.
    pub place: Option<Place>,
    /// The field: `syscalls[3].args[0]`. Empty for the whole profile.
    pub path: String,
    /// What is so.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// The smallest change that helps, if there is one.
    pub fix: Option<String>,
}

/// The name of findings about a text that is no profile.
pub const MALFORMED: &str = "malformed";

/// Asks every lint about a profile that was read from `text`, in the order of the text; of
/// each no more than a hundred findings. `text` is empty for a profile that has none.
pub fn lint(parsed: &Parsed, text: &str, target: &Target) -> Vec<Finding> {
    let subject = Subject::new(parsed, text, target);
    let mut all = Vec::new();
    for lint in LINTS {
        let mut found = Vec::new();
        (lint.run)(&subject, &mut found);
        found.truncate(MOST);
        all.extend(found.into_iter().map(|it| it.finding(lint.id, text)));
    }
    all.sort_by_key(|it| it.place);
    all
}

/// What is wrong with a text that was not accepted as a profile, as findings.
pub fn mistakes(errors: &[ProfileError]) -> Vec<Finding> {
    let one = |ProfileError { place, path, kind, .. }: &ProfileError| {
        if matches!(kind, ProfileErrorKind::UnknownSyscall { .. }) {
            let at = At::Read(*place, path.clone());
            let found = unknown_syscall::found(at, kind, Severity::Error);
            return found.finding(unknown_syscall::LINT.id, "");
        }
        Finding {
            lint: MALFORMED,
            severity: Severity::Error,
            place: Some(*place),
            path: path.clone(),
            what: kind.to_string(),
            why: "a profile with a mistake in it is not used at all".to_owned(),
            fix: kind.hint(),
        }
    };
    errors.iter().map(one).collect()
}

/// A finding as a lint makes it.
#[derive(Debug)]
struct Found {
    at: At,
    severity: Severity,
    what: String,
    why: String,
    fix: Option<String>,
}

#[derive(Debug)]
enum At {
    Spot(Spot),
    /// The reader had already found it.
    Read(Place, String),
}

impl Found {
    fn finding(self, lint: &'static str, text: &str) -> Finding {
        let Self { at, severity, what, why, fix } = self;
        let (place, path) = match at {
            At::Spot(spot) if text.is_empty() => (None, spot.to_string()),
            At::Spot(spot) => {
                // A field that is left out is missing from the whole.
                (spot.locate(text).or_else(|| Spot::Profile.locate(text)), spot.to_string())
            }
            At::Read(place, path) => (Some(place), path),
        };
        Finding { lint, severity, place, path, what, why, fix }
    }
}

/// A profile with what lints ask about it.
struct Subject<'a> {
    parsed: &'a Parsed,
    text: &'a str,
    target: &'a Target,
    survey: Survey<'a>,
    /// Per architecture of the profile and system call. Lints ask for the same ones again and
    /// again, and one of a thousand rules takes its time.
    decisions: Vec<(Architecture, Vec<Option<Explanation>>)>,
    contradictions: Vec<ResolveError>,
    /// `None` if there are contradictions.
    program: Option<Result<Program, CompileError>>,
}

impl<'a> Subject<'a> {
    fn new(parsed: &'a Parsed, text: &'a str, target: &'a Target) -> Self {
        let survey = Survey::new(&parsed.profile, target);
        let (program, contradictions) = match resolve(&parsed.profile, target) {
            Ok(rules) => (Some(compile(&rules)), Vec::new()),
            Err(contradictions) => (None, contradictions),
        };
        let decide = |architecture: Architecture| {
            let one = |it: Syscall| survey.decide(architecture, it.number(architecture)?).ok();
            (architecture, Syscall::all().map(one).collect())
        };
        let decisions = survey.architectures().iter().map(|it| decide(*it)).collect();
        Self { parsed, text, target, survey, decisions, contradictions, program }
    }

    fn profile(&self) -> &'a Profile {
        &self.parsed.profile
    }

    /// Rules with their index that count on the target.
    fn rules(&self) -> impl Iterator<Item = (usize, &'a ProfileRule)> {
        let all = self.profile().rules.iter().enumerate();
        all.filter(|(_, rule)| crate::resolve::applies_on(rule, self.target))
    }

    /// Whether the profile lets through what it does not name.
    fn is_deny_list(&self) -> bool {
        self.profile().default_action.lets_through()
    }

    fn native(&self) -> Architecture {
        self.target.architecture
    }

    /// What is decided about a call. `None` if the architecture has no such call, or if rules about
    /// it contradict each other.
    fn decide(&self, architecture: Architecture, name: &str) -> Option<&Explanation> {
        let (_, all) = self.decisions.iter().find(|(it, _)| *it == architecture)?;
        all[Syscall::named(name)?.index()].as_ref()
    }

    /// How open a call is, as [`Subject::decide`] has it.
    fn openness(&self, architecture: Architecture, name: &str) -> Option<Openness> {
        Some(self.decide(architecture, name)?.openness())
    }

    /// The name as a rule has it, or the rule if it has several of that number.
    fn spot_of(&self, rule: usize, name: &str) -> Spot {
        let names = &self.profile().rules[rule].names;
        let found = names.iter().position(|it| is_named(it, name));
        found.map_or(Spot::Rule(rule), |index| Spot::Name(rule, index))
    }

    /// Where a clause of a decision about `name` stands.
    fn spot(&self, clause: &Clause, name: &str) -> Spot {
        match clause.by {
            By::Rule(rule) => self.spot_of(rule, name),
            By::Default | By::Newer => Spot::Field("defaultAction"),
            By::Unlisted => Spot::Field("architectures"),
        }
    }
}

fn is_named(name: &Name, wanted: &str) -> bool {
    match name {
        Name::Known(syscall) => syscall.name() == wanted,
        Name::Unknown(unknown) => **unknown == *wanted,
    }
}

fn known(name: &Name) -> Option<Syscall> {
    match name {
        Name::Known(syscall) => Some(*syscall),
        Name::Unknown(_) => None,
    }
}

/// Names for a sentence: `chmod`, `fchmod` and `fchmodat`.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = names.into_iter().map(|it| format!("`{it}`")).collect();
    let last = all.pop().unwrap_or_default();
    if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) }
}

/// More findings of one lint than anybody reads.
const MOST: usize = 100;

#[cfg(test)]
mod tests;
