//! A rule, or a name of it, that never decides because of another rule.
//!
//! A rule without conditions decides wherever it stands, the first of several; of rules with
//! conditions one can match whenever another does (see [`crate::order`] for which comes first). It
//! is an error if the rule that never decides is the tighter one: what its author denied is open.
//!
//! Complies: a rule that decides on some architecture of the profile.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::Architecture;
use stockade_abi::syscalls::Syscall;

use super::{At, Found, Lint, Severity, Subject, known, list};
use crate::explain::{By, Clause, Why};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "shadowed-rule",
    severities: &[Severity::Note, Severity::Warning, Severity::Error],
    finds: "a rule that never decides because of another; an error if it is the tighter one",
    run,
    #[cfg(test)]
    cases: &[
        (
            "a denial behind a permission",
            "deny; allow clone; enosys clone",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        (
            "a condition behind none",
            "allow; deny clone if 0&0x10000000==0x10000000; log clone",
            &[("syscalls[0].names[0]", Severity::Error)],
        ),
        (
            "a permission behind a denial",
            "allow; deny chmod; log read chmod",
            &[("syscalls[1].names[1]", Severity::Warning)],
        ),
        (
            "the same twice",
            "deny; allow read; allow write read",
            &[("syscalls[1].names[1]", Severity::Note)],
        ),
        (
            "twice in one rule",
            "deny; allow read write read",
            &[("syscalls[0].names[2]", Severity::Note)],
        ),
        (
            "within a wider condition",
            "deny; allow ioctl if 1<=9; allow ioctl if 1==5",
            &[("syscalls[1].names[0]", Severity::Note)],
        ),
        (
            "a denial within a permission that comes first",
            "deny; log ioctl if 1&4==4; enosys ioctl if 1==5",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        (
            "later arguments come first",
            "deny; log ioctl if 2<=9; enosys ioctl if 1==5 2<9",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        ("equalities come before ranges", "deny; log ioctl if 1<=9; enosys ioctl if 1==5", &[]),
        ("other conditions", "deny; allow ioctl if 1==4; allow ioctl if 1==5", &[]),
        ("the other counts for others", "deny; allow clone caps BPF; enosys clone", &[]),
        (
            "decides behind a multiplexer",
            "allow X86; deny socket if 0==38; log socketcall if 0==2",
            &[],
        ),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    // By rule and the rule that hides it: the names. A name is hidden if it is everywhere.
    let mut hidden: BTreeMap<Pair, Vec<Syscall>> = BTreeMap::new();
    for syscall in Syscall::all() {
        let pairs = |architecture: &Architecture| {
            let decision = subject.decide(*architecture, syscall.name())?;
            let silent = decision.silent.iter().filter_map(|it| match it.why {
                Why::Behind(other) | Why::Within(other) => Some((it.rule, other)),
                Why::NotIncluded(_) | Why::IsDefault => None,
            });
            Some(silent.chain(covered(&decision.clauses)).collect::<BTreeSet<Pair>>())
        };
        let everywhere =
            subject.survey.architectures().iter().filter_map(pairs).reduce(|a, b| &a & &b);
        for pair in everywhere.unwrap_or_default().into_iter().filter(|it| it.0 != it.1) {
            hidden.entry(pair).or_default().push(syscall);
        }
    }
    out.extend(hidden.iter().filter_map(|((rule, other), all)| found(subject, *rule, *other, all)));
    out.extend(subject.rules().filter_map(|(index, _)| twice(subject, index)));
}

/// A rule and the one that hides it.
type Pair = (usize, usize);

/// Clauses that match only where an earlier one does: their rule and that one's.
fn covered(clauses: &[Clause]) -> Vec<Pair> {
    if clauses.len() > MOST_CLAUSES {
        return Vec::new();
    }
    let by = |clause: &Clause| match clause.by {
        By::Rule(rule) => Some(rule),
        By::Default | By::Newer | By::Unlisted => None,
    };
    let pair = |(index, clause): (usize, &Clause)| {
        let rule = by(clause)?;
        // Another clause of the same rule may decide.
        let others = clauses.iter().filter(|it| by(it) == Some(rule)).count();
        let earlier = clauses[..index].iter().find(|it| is_within(clause, it))?;
        Some((rule, by(earlier)?)).filter(|_| others == 1)
    };
    clauses.iter().enumerate().filter_map(pair).collect()
}

fn is_within(inner: &Clause, outer: &Clause) -> bool {
    outer.conditions.iter().all(|wide| {
        let same = inner.conditions.iter().filter(|it| it.argument == wide.argument);
        same.into_iter().any(|narrow| narrow.operator.implies(wide.operator))
    })
}

fn found(subject: &Subject<'_>, rule: usize, other: usize, all: &[Syscall]) -> Option<Found> {
    let rules = &subject.profile().rules;
    let names = &rules[rule].names;
    let first = names.iter().position(|it| known(it).is_some_and(|it| all.contains(&it)))?;
    let (action, decides) = (rules[rule].action, rules[other].action);
    let (severity, why) = if action == decides {
        (Severity::Note, "both say the same")
    } else if action.permissiveness() < decides.permissiveness() {
        (Severity::Error, "what this rule closes stays open")
    } else {
        (Severity::Warning, "what this rule opens stays closed")
    };
    let line = rules[other].place.line;
    let place = if subject.text.is_empty() { String::new() } else { format!(" in line {line}") };
    let shown = list(all.iter().take(MOST).map(|it| it.name()));
    let more =
        if all.len() > MOST { format!(" and {} more", all.len() - MOST) } else { String::new() };
    Some(Found {
        at: At::Spot(Spot::Name(rule, first)),
        severity,
        what: format!(
            "never decides on {shown}{more}: `syscalls[{other}]`{place} does ({decides})"
        ),
        why: why.to_owned(),
        fix: Some("keep one of the two".to_owned()),
    })
}

fn twice(subject: &Subject<'_>, rule: usize) -> Option<Found> {
    let names = &subject.profile().rules[rule].names;
    let mut seen = vec![false; Syscall::COUNT];
    let (index, name) = names.iter().enumerate().find_map(|(index, name)| {
        let syscall = known(name)?;
        std::mem::replace(&mut seen[syscall.index()], true).then_some((index, syscall.name()))
    })?;
    Some(Found {
        at: At::Spot(Spot::Name(rule, index)),
        severity: Severity::Note,
        what: format!("`{name}` stands in this rule already"),
        why: "the second one has no effect".to_owned(),
        fix: Some("leave it out".to_owned()),
    })
}

/// Each is held against each: a second's work for what nobody wrote by hand.
const MOST_CLAUSES: usize = 1000;

/// As many names as a line holds.
const MOST: usize = 6;
