//! A call is denied while another one that does the same is open.
//!
//! Denied is what a rule closes or limits: a call that a list of what is allowed does not name is
//! not meant. What gets `ENOSYS` is not denied either: a library is to fall back on its sibling.
//! Siblings are the calls of a [family](super::families), and on 32-bit architectures the form of
//! a call with wider types (`clock_settime` and `clock_settime64`).
//!
//! Source: flatpak CVE-2021-41133 (a list of denials knew `mount` and not `fsopen`).

use stockade_abi::Architecture;
use stockade_abi::syscalls::{self, Syscall};

use super::families::{FAMILIES, LATER_FORMS};
use super::{At, Found, Lint, Severity, Subject, list};
use crate::action::Action;
use crate::explain::{By, Explanation, Openness};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "open-sibling",
    severities: &[Severity::Warning, Severity::Error],
    finds: "a call is denied, but not another one that does the same",
    run,
    #[cfg(test)]
    cases: &[
        ("the old form alone", "allow; deny chmod", &[("syscalls[0].names[0]", Severity::Error)]),
        (
            "the new mount calls are missing",
            "allow; deny umount2 mount",
            &[("syscalls[0].names[1]", Severity::Error)],
        ),
        (
            "related, not the same",
            "allow; deny ptrace",
            &[("syscalls[0].names[0]", Severity::Warning)],
        ),
        (
            "flags of one form alone",
            "allow; deny clone if 0&0x10000000==0x10000000; deny unshare",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        (
            "a wider form",
            "allow X86; deny clock_settime settimeofday stime",
            &[("syscalls[0].names[0]", Severity::Error)],
        ),
        (
            "a denial in a list of permissions",
            "enosys; allow fchmod; deny chmod",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        ("the whole family", "allow; deny chmod fchmod fchmodat fchmodat2", &[]),
        ("the newer form is as if not there", "allow; enosys clone3 openat2", &[]),
        ("a list of what is allowed", "deny; allow open read", &[]),
        ("no such form here", "allow; deny umount2", &[]),
        ("a call without siblings", "allow; deny userfaultfd bpf", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let mut told: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for &architecture in subject.survey.architectures() {
        let families = FAMILIES.iter().map(|it| (it.severity, it.what, it.names.to_vec()));
        let all: Vec<_> = families.chain(later_forms(architecture)).collect();
        for (severity, what, names) in all {
            let Some(split) = Split::of(subject, architecture, &names, severity) else { continue };
            let names = (split.denied, split.open);
            if told.contains(&names) {
                continue;
            }
            out.push(Found {
                at: At::Spot(split.spot),
                severity,
                what: format!(
                    "{} {} {}, but {} {} open{}",
                    list(names.0.iter().copied()),
                    if names.0.len() == 1 { "is" } else { "are" },
                    split.how,
                    list(names.1.iter().copied()),
                    if names.1.len() == 1 { "is" } else { "are" },
                    if architecture == subject.native() {
                        String::new()
                    } else {
                        format!(" on {architecture}")
                    },
                ),
                why: format!("all of these {what}"),
                fix: Some(format!("name {}, too", list(names.1.iter().copied()))),
            });
            told.push(names);
        }
    }
}

/// Calls of one architecture and their forms with wider types.
fn later_forms(
    architecture: Architecture,
) -> impl Iterator<Item = (Severity, &'static str, Vec<&'static str>)> {
    Syscall::all().filter_map(move |later| {
        later.number(architecture)?;
        let bare = LATER_FORMS.iter().find_map(|it| later.name().strip_suffix(it))?;
        let first = Syscall::named(bare)?;
        first.number(architecture)?;
        Some((
            Severity::Error,
            "do the same, with types of other widths",
            vec![first.name(), later.name()],
        ))
    })
}

/// A family of which some are denied and some are open.
struct Split {
    denied: Vec<&'static str>,
    how: &'static str,
    spot: Spot,
    open: Vec<&'static str>,
}

impl Split {
    fn of(
        subject: &Subject<'_>,
        architecture: Architecture,
        names: &[&'static str],
        severity: Severity,
    ) -> Option<Self> {
        let has = |name: &&&'static str| syscalls::number(architecture, name).is_some();
        let decide = |name: &&'static str| Some((*name, subject.decide(architecture, name)?));
        let all: Vec<_> = names.iter().filter(has).filter_map(decide).collect();
        // A limit on one call says nothing about those that only resemble it.
        let is_meant = |it: &Explanation| {
            is_denied(it) && (severity == Severity::Error || it.openness() == Openness::Closed)
        };
        let denied: Vec<&(&str, &Explanation)> = all.iter().filter(|it| is_meant(it.1)).collect();
        let (first, decision) = denied.first()?;
        let clause = decision.clauses.iter().find(|it| matches!(it.by, By::Rule(_)))?;
        let open = all.iter().filter(|it| it.1.openness() == Openness::Open);
        let open: Vec<&'static str> = open.map(|it| it.0).collect();
        let is_limited = decision.openness() == Openness::Partly;
        (!open.is_empty()).then(|| Self {
            spot: subject.spot(clause, first),
            how: if is_limited { "limited" } else { "denied" },
            denied: denied.iter().map(|it| it.0).collect(),
            open,
        })
    }
}

fn is_denied(decision: &Explanation) -> bool {
    decision.is_ruled()
        && decision.openness() < Openness::Open
        && decision.verdict() != Some(Action::ENOSYS)
}
