//! A profile under which nothing can be executed: `execve` is the last call of every runtime, and
//! it is made under the filter.

use super::{At, Found, Lint, Severity, Subject};
use crate::explain::Openness;

pub(super) const LINT: Lint = Lint {
    id: "no-exec",
    severities: &[Severity::Error],
    finds: "`execve` is closed, so that no container starts",
    run,
    #[cfg(test)]
    cases: &[
        ("it is denied", "allow; deny chmod execve", &[("syscalls[0].names[1]", Severity::Error)]),
        ("it is not named", "deny; allow read", &[("defaultAction", Severity::Error)]),
        ("only its twin is named", "deny; allow execveat", &[("defaultAction", Severity::Error)]),
        ("it is allowed", "deny; allow execve", &[]),
        ("only its twin is denied", "allow; deny execveat", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let Some(execve) = subject.decide(subject.native(), "execve") else { return };
    if execve.openness() != Openness::Closed {
        return;
    }
    let clause = &execve.clauses[0];
    out.push(Found {
        at: At::Spot(subject.spot(clause, "execve")),
        severity: Severity::Error,
        what: format!("`execve` is closed ({})", clause.action),
        why: "every runtime executes the container's program under the filter".to_owned(),
        fix: Some("allow `execve`".to_owned()),
    });
}
