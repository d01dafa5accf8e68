//! More rules than profiles have that people wrote: some registries of profiles take no more than
//! 128, and names with the same action and conditions fit into one rule.

use super::{At, Found, Lint, Severity, Subject};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "many-rules",
    severities: &[Severity::Warning],
    finds: "more than 128 rules, which some registries refuse",
    run,
    #[cfg(test)]
    cases: &[
        ("one too many", "deny; 129x allow ioctl if 1==#", &[("syscalls", Severity::Warning)]),
        ("as many as fit", "deny; 128x allow ioctl if 1==#", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let count = subject.profile().rules.len();
    // A profile without text is not sent to any registry.
    if count > MOST && !subject.text.is_empty() {
        out.push(Found {
            at: At::Spot(Spot::Field("syscalls")),
            severity: Severity::Warning,
            what: format!("there are {count} rules"),
            why: format!("some registries of profiles take no more than {MOST}"),
            fix: Some("gather names with the same action and conditions in one rule".to_owned()),
        });
    }
}

const MOST: usize = 128;
