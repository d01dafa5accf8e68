//! A newer call is closed with something else than `ENOSYS`, for which alone libraries fall back on
//! an older one.
//!
//! Reads what is decided about the calls of [`TRAPS`]. Complies: open, or `ENOSYS`. A call that is
//! newer than every name of the profile gets `ENOSYS` from Stockade and runc; a runtime without that
//! rule gives it the default.
//!
//! Source: the libraries named in the table.

use std::collections::BTreeMap;

use super::{At, Found, Lint, Severity, Subject, list};
use crate::action::Action;
use crate::explain::Openness;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "breaks-libraries",
    severities: &[Severity::Warning],
    finds: "a newer call fails with another error than `ENOSYS`, so that libraries do not fall back",
    run,
    #[cfg(test)]
    cases: &[
        (
            "denied by name",
            "allow; deny chmod clone3",
            &[("syscalls[0].names[1]", Severity::Warning)],
        ),
        ("killed", "kill; allow read", &[("defaultAction", Severity::Warning)]),
        (
            "older than what is named",
            "deny; allow read mseal",
            &[("defaultAction", Severity::Warning)],
        ),
        ("newer than all that is named", "deny; allow read execveat", &[]),
        ("closed as if it were not there", "allow; enosys clone3", &[]),
        ("a call that has no older form", "allow; deny userfaultfd", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let mut groups: BTreeMap<String, (Spot, Action, Vec<&Trap>)> = BTreeMap::new();
    for trap in TRAPS {
        let Some(decision) = subject.decide(subject.native(), trap.name) else { continue };
        let Some(action) = decision.verdict().filter(|it| breaks(*it)) else { continue };
        debug_assert_eq!(
            decision.openness(),
            Openness::Closed,
            "a verdict that breaks is one that closes"
        );
        let clause = &decision.clauses[0];
        // One finding for all that the same rule closes.
        let group = groups
            .entry(format!("{:?}", clause.by))
            .or_insert_with(|| (subject.spot(clause, trap.name), action, Vec::new()));
        group.2.push(trap);
    }
    for (at, action, traps) in groups.into_values() {
        let names = || traps.iter().map(|it| it.name);
        let verb = if traps.len() == 1 { "gets" } else { "get" };
        out.push(Found {
            at: At::Spot(at),
            severity: Severity::Warning,
            what: format!("{} {verb} {action}, not errno ENOSYS", list(names())),
            why: traps
                .iter()
                .map(|it| format!("{}: {}", it.name, it.why))
                .collect::<Vec<_>>()
                .join("; "),
            fix: Some(format!(
                "allow {}, or give it errnoRet 38 in a rule of its own",
                list(names())
            )),
        });
    }
}

const fn breaks(action: Action) -> bool {
    match action {
        Action::Errno(number) => number.0 != 38,
        Action::KillProcess | Action::KillThread | Action::Trap => true,
        Action::Notify | Action::Trace(_) | Action::Log | Action::Allow => false,
    }
}

struct Trap {
    name: &'static str,
    why: &'static str,
}

/// Calls that libraries try first. As of glibc 2.42.
const TRAPS: &[Trap] = &[
    Trap { name: "clone3", why: "glibc 2.34 makes threads and processes with it" },
    Trap {
        name: "close_range",
        why: "programs close inherited descriptors with it before an exec",
    },
    Trap { name: "epoll_pwait2", why: "event loops wait with it" },
    Trap {
        name: "faccessat2",
        why: "glibc 2.33 and musl 1.2.2 ask with it whether a file may be used",
    },
    Trap { name: "fchmodat2", why: "glibc 2.39 changes modes with it" },
    Trap { name: "futex_waitv", why: "Wine and games wait with it" },
    Trap { name: "openat2", why: "libraries that stay below a directory open with it" },
    Trap { name: "rseq", why: "glibc 2.35 registers every thread with it" },
    Trap { name: "statx", why: "glibc 2.28, Qt and language runtimes look at files with it" },
];
