//! A rule with the action of the default. It changes nothing about the calls that it names, except
//! that they count as known: with a default that is an error, only what is newer than every name
//! gets `ENOSYS`. Some runtimes refused such rules.

use super::{At, Found, Lint, Severity, Subject};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "void-rule",
    severities: &[Severity::Note],
    finds: "a rule that says what the default says",
    run,
    #[cfg(test)]
    cases: &[
        (
            "the same action",
            "deny; deny chmod; allow read",
            &[("syscalls[0].action", Severity::Note)],
        ),
        ("another error", "deny; enosys chmod", &[]),
        ("a rule for others", "deny; deny chmod caps BPF", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let default = subject.profile().default_action;
    for (index, _) in subject.rules().filter(|(_, rule)| rule.action == default) {
        out.push(Found {
            at: At::Spot(Spot::Action(index)),
            severity: Severity::Note,
            what: format!("the default is the same ({default})"),
            why: "the rule decides nothing, and hides nothing from other rules".to_owned(),
            fix: Some(
                "leave it out, unless it is there to say that these calls are known".to_owned(),
            ),
        });
    }
}
