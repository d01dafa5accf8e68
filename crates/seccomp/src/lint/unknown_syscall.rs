//! A name that no architecture has.
//!
//! In a rule that tightens that is a mistake which the reader of profiles does not let pass: the
//! author believes something closed that is open. In a rule that loosens it has no effect.

use super::{At, Found, Lint, Severity, Subject};
use crate::profile::ProfileErrorKind;

pub(super) const LINT: Lint = Lint {
    id: "unknown-syscall",
    severities: &[Severity::Warning, Severity::Error],
    finds: "a name that no architecture has; an error in a rule that denies",
    run,
    #[cfg(test)]
    cases: &[
        (
            "a misspelt name",
            "deny; allow read wriet",
            &[("syscalls[0].names[1]", Severity::Warning)],
        ),
        (
            "a misspelt name that denies",
            "allow; deny chmood",
            &[("syscalls[0].names[0]", Severity::Error)],
        ),
        ("a call of another architecture", "deny; allow read set_tls", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    for warning in &subject.parsed.warnings {
        if matches!(warning.kind, ProfileErrorKind::UnknownSyscall { .. }) {
            let at = At::Read(warning.place, warning.path.clone());
            out.push(found(at, &warning.kind, Severity::Warning));
        }
    }
}

pub(super) fn found(at: At, kind: &ProfileErrorKind, severity: Severity) -> Found {
    let why = match severity {
        Severity::Error => "the rule does not deny what its author wanted denied",
        Severity::Warning | Severity::Note => {
            "the rule does not allow what its author wanted allowed"
        }
    };
    Found { at, severity, what: kind.to_string(), why: why.to_owned(), fix: kind.hint() }
}
