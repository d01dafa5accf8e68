//! `SCMP_ACT_NOTIFY` without a `listenerPath`: nobody is asked.
//!
//! Reads what the reader of profiles warned of. Source: OCI runtime-spec, "Seccomp".

use super::{At, Found, Lint, Severity, Subject};
use crate::profile::ProfileErrorKind;

pub(super) const LINT: Lint = Lint {
    id: "no-listener",
    severities: &[Severity::Warning],
    finds: "`SCMP_ACT_NOTIFY` without a `listenerPath`",
    run,
    #[cfg(test)]
    cases: &[
        ("nobody listens", "allow; notify mkdir", &[("listenerPath", Severity::Warning)]),
        (
            "somebody listens",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/s", "syscalls":
                [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}"#,
            &[],
        ),
        ("nobody is asked", "allow; deny mkdir", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let warnings = &subject.parsed.warnings;
    for warning in warnings.iter().filter(|it| it.kind == ProfileErrorKind::NoListener) {
        out.push(Found {
            at: At::Read(warning.place, warning.path.clone()),
            severity: Severity::Warning,
            what: warning.kind.to_string(),
            why: "runtimes refuse the profile; without a supervisor these calls fail with ENOSYS"
                .to_owned(),
            fix: Some("name the supervisor's socket in `listenerPath`".to_owned()),
        });
    }
}
