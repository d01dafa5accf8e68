//! `SCMP_ACT_TRACE`: a tracer decides. Without one, the calls fail with `ENOSYS`.
//!
//! Source: seccomp(2), `SECCOMP_RET_TRACE`.

use super::{At, Found, Lint, Severity, Subject};
use crate::action::Action;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "trace-action",
    severities: &[Severity::Warning],
    finds: "`SCMP_ACT_TRACE`, which needs a tracer that containers do not have",
    run,
    #[cfg(test)]
    cases: &[
        ("a rule", "allow; trace chmod", &[("syscalls[0].action", Severity::Warning)]),
        ("the default", "trace; allow read", &[("defaultAction", Severity::Warning)]),
        ("another action", "log; trap chmod", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let default = (subject.profile().default_action, Spot::Field("defaultAction"));
    let rules = subject.rules().map(|(index, rule)| (rule.action, Spot::Action(index)));
    for (action, spot) in std::iter::once(default).chain(rules) {
        let Action::Trace(_) = action else { continue };
        out.push(Found {
            at: At::Spot(spot),
            severity: Severity::Warning,
            what: "a tracer is to decide".to_owned(),
            why: "no runtime attaches one; without it these calls fail with ENOSYS, and a process that \
                  may trace another decides for it"
                .to_owned(),
            fix: Some("write `SCMP_ACT_LOG` to observe, `SCMP_ACT_ERRNO` to deny".to_owned()),
        });
    }
}
