//! A masked comparison with a value that has bits outside its mask: they do not count, so the
//! condition is not the one that was written.
//!
//! Reads what the reader of profiles warned of. Complies: a value within its mask.

use super::{At, Found, Lint, Severity, Subject};
use crate::profile::ProfileErrorKind;

pub(super) const LINT: Lint = Lint {
    id: "bits-outside-mask",
    severities: &[Severity::Warning],
    finds: "a masked comparison whose value has bits that the mask ignores",
    run,
    #[cfg(test)]
    cases: &[
        (
            "bits below the mask",
            "deny; allow clone if 0&0xf0==0x1f",
            &[("syscalls[0].args[0]", Severity::Warning)],
        ),
        ("all within", "deny; allow clone if 0&0xf0==0x10", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    for warning in &subject.parsed.warnings {
        let ProfileErrorKind::OutsideMask { value, mask } = warning.kind else { continue };
        out.push(Found {
            at: At::Read(warning.place, warning.path.clone()),
            severity: Severity::Warning,
            what: warning.kind.to_string(),
            why: "the condition compares other bits than it seems to".to_owned(),
            fix: Some(format!("write {} as `valueTwo`, or a wider mask", value & mask)),
        });
    }
}
