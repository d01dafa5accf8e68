//! `SCMP_ACT_KILL`, which is `SCMP_ACT_KILL_THREAD`: one thread dies, the process lives on without
//! it, and what waits for that thread or for a lock that it held waits for ever.
//!
//! Complies: `SCMP_ACT_KILL_PROCESS` (Linux 4.14). Source: seccomp(2), `SECCOMP_RET_KILL_THREAD`.

use super::{At, Found, Lint, Severity, Subject};
use crate::action::Action;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "kill-thread",
    severities: &[Severity::Warning],
    finds: "`SCMP_ACT_KILL`, which ends a thread and leaves its process hanging",
    run,
    #[cfg(test)]
    cases: &[
        ("a rule", "allow; kill-thread chmod", &[("syscalls[0].action", Severity::Warning)]),
        ("the default", "kill-thread; allow read", &[("defaultAction", Severity::Warning)]),
        ("the whole process", "kill; kill chmod", &[]),
        ("a rule for others", "allow; kill-thread chmod caps BPF", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let default = (subject.profile().default_action, Spot::Field("defaultAction"));
    let rules = subject.rules().map(|(index, rule)| (rule.action, Spot::Action(index)));
    for (_, spot) in std::iter::once(default).chain(rules).filter(|it| it.0 == Action::KillThread) {
        out.push(Found {
            at: At::Spot(spot),
            severity: Severity::Warning,
            what: "only the calling thread dies".to_owned(),
            why: "the rest of the process goes on without it, or waits for it for ever".to_owned(),
            fix: Some("write `SCMP_ACT_KILL_PROCESS`".to_owned()),
        });
    }
}
