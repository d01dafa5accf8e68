//! A rule with two conditions on one argument: each becomes a rule of its own, so that any of the
//! rule's conditions suffices, where otherwise all must hold. A range cannot be said in this way.
//!
//! Source: runc `libcontainer/seccomp/seccomp_linux.go` (`matchCall`).

use super::{At, Found, Lint, Severity, Subject};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "repeated-argument",
    severities: &[Severity::Warning],
    finds: "two conditions on one argument in one rule, which are alternatives",
    run,
    #[cfg(test)]
    cases: &[
        (
            "a range",
            "deny; allow ioctl if 1>=5 1<=9",
            &[("syscalls[0].args[1]", Severity::Warning)],
        ),
        (
            "a third one",
            "deny; allow ioctl if 0==1 1==5 0==2",
            &[("syscalls[0].args[2]", Severity::Warning)],
        ),
        ("two arguments", "deny; allow ioctl if 0==1 1==5", &[]),
        ("two rules", "deny; allow ioctl if 1==5; allow ioctl if 1==6", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    for (index, rule) in subject.rules() {
        let repeated = rule.conditions.iter().enumerate().find(|(at, condition)| {
            rule.conditions[..*at].iter().any(|it| it.argument == condition.argument)
        });
        let Some((at, condition)) = repeated else { continue };
        out.push(Found {
            at: At::Spot(Spot::Condition(index, at)),
            severity: Severity::Warning,
            what: format!("argument {} has a condition already", condition.argument),
            why: "every condition of this rule becomes a rule of its own: any of them suffices"
                .to_owned(),
            fix: Some("write a rule for each, so that it says what it means".to_owned()),
        });
    }
}
