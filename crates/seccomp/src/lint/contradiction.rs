//! Two rules that ask for different actions in the same case.
//!
//! Source: libseccomp, which refuses them with `EEXIST`; see [`crate::order`] for which they are.

use super::{At, Found, Lint, Severity, Subject};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "contradiction",
    severities: &[Severity::Error],
    finds: "two rules that ask for different actions in the same case",
    run,
    #[cfg(test)]
    cases: &[
        (
            "one condition, two actions",
            "deny; allow ioctl if 1==5; log ioctl if 1==5",
            &[("syscalls[1]", Severity::Error)],
        ),
        ("two conditions", "deny; allow ioctl if 1==5; log ioctl if 1==6", &[]),
        ("one of them is for others", "deny; allow ioctl if 1==5; log ioctl if 1==5 caps BPF", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let mut told = Vec::new();
    for contradiction in &subject.contradictions {
        let places = (contradiction.first, contradiction.second);
        if told.contains(&places) {
            continue;
        }
        told.push(places);
        let rules = &subject.profile().rules;
        let second = rules.iter().position(|it| it.place == contradiction.second);
        out.push(Found {
            at: At::Spot(second.map_or(Spot::Profile, Spot::Rule)),
            severity: Severity::Error,
            what: contradiction.to_string(),
            why: "no runtime takes such a profile".to_owned(),
            fix: Some("keep one of the two rules".to_owned()),
        });
    }
}
