//! A default that lets through what is not named: a list of what is denied ages with every release
//! of the kernel, and `SCMP_ACT_LOG` confines nothing at all.

use super::{At, Found, Lint, Severity, Subject};
use crate::action::Action;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "open-default",
    severities: &[Severity::Warning],
    finds: "a default that lets through every call that is not named",
    run,
    #[cfg(test)]
    cases: &[
        ("a list of denials", "allow; deny chmod", &[("defaultAction", Severity::Warning)]),
        ("an audit", "log; allow read", &[("defaultAction", Severity::Warning)]),
        ("a list of what is allowed", "deny; log read", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let (what, why) = match subject.profile().default_action {
        Action::Allow => (
            "what is not named is allowed",
            "calls that the kernel gains later are open, too: a list of denials is never complete",
        ),
        Action::Log => {
            ("what is not named is allowed and logged", "the profile observes and does not confine")
        }
        Action::KillProcess
        | Action::KillThread
        | Action::Trap
        | Action::Errno(_)
        | Action::Notify
        | Action::Trace(_) => return,
    };
    out.push(Found {
        at: At::Spot(Spot::Field("defaultAction")),
        severity: Severity::Warning,
        what: what.to_owned(),
        why: why.to_owned(),
        fix: Some("write `SCMP_ACT_ERRNO` and name what is allowed".to_owned()),
    });
}
