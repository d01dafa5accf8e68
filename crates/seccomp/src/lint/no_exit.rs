//! A profile under which a process cannot end: C libraries repeat `exit_group` and `exit` for ever
//! if they fail, so a container hangs that has done its work.
//!
//! Complies: both are open. A filter that kills at `exit_group` ends the process, too, but its exit
//! code is lost. Source: kubernetes/kubernetes#85191.

use super::{At, Found, Lint, Severity, Subject};
use crate::action::Action;
use crate::explain::Openness;

pub(super) const LINT: Lint = Lint {
    id: "no-exit",
    severities: &[Severity::Warning, Severity::Error],
    finds: "`exit_group` or `exit` is closed, so that processes or threads hang at their end",
    run,
    #[cfg(test)]
    cases: &[
        (
            "neither is named",
            "deny; allow execve",
            &[("defaultAction", Severity::Error), ("defaultAction", Severity::Warning)],
        ),
        ("a thread cannot end", "allow; deny exit", &[("syscalls[0].names[0]", Severity::Warning)]),
        (
            "killed at the end",
            "allow; kill exit_group",
            &[("syscalls[0].names[0]", Severity::Warning)],
        ),
        ("both are allowed", "deny; allow exit exit_group", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    for name in ["exit_group", "exit"] {
        let Some(exit) = subject.decide(subject.native(), name) else { continue };
        if exit.openness() != Openness::Closed {
            continue;
        }
        let clause = &exit.clauses[0];
        let kills =
            matches!(clause.action, Action::KillProcess | Action::KillThread | Action::Trap);
        let (severity, why) = match (name, kills) {
            (_, true) => (Severity::Warning, "what should end well is killed at its end"),
            ("exit", false) => {
                (Severity::Warning, "threads never end: the C library tries for ever")
            }
            _ => (Severity::Error, "processes never end: the C library tries for ever"),
        };
        out.push(Found {
            at: At::Spot(subject.spot(clause, name)),
            severity,
            what: format!("`{name}` is closed ({})", clause.action),
            why: why.to_owned(),
            fix: Some(format!("allow `{name}`")),
        });
    }
}
