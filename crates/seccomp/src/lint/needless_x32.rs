//! A profile that lists x32: hardly anything is built for it, most kernels are built without it or
//! have it off, and its calls are a second way to everything.

use stockade_abi::Architecture;

use super::missing_architecture::spot;
use super::{At, Found, Lint, Severity, Subject};

pub(super) const LINT: Lint = Lint {
    id: "needless-x32",
    severities: &[Severity::Note],
    finds: "x32 is listed, which hardly anything uses",
    run,
    #[cfg(test)]
    cases: &[
        ("it is listed", "deny X86 X32; allow read", &[("architectures", Severity::Note)]),
        ("it is not", "deny X86; allow read", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    if subject.survey.architectures().contains(&Architecture::X32) {
        out.push(Found {
            at: At::Spot(spot(&subject.profile().architectures)),
            severity: Severity::Note,
            what: "x32 is listed".to_owned(),
            why: "hardly any program is built for it, and it is a second way to every call"
                .to_owned(),
            fix: Some("leave out `SCMP_ARCH_X32`".to_owned()),
        });
    }
}
