//! A profile that does not list the 32-bit companion of its architecture: its programs are killed.
//! That closes their whole interface, which can be what the author wants.
//!
//! Source: OCI runtime-spec, "Seccomp", `architectures`.

use stockade_abi::Architecture;

use super::{At, Found, Lint, Severity, Subject};
use crate::profile::ArchitectureList;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "missing-architecture",
    severities: &[Severity::Note],
    finds: "32-bit programs are killed, since their architecture is not listed",
    run,
    #[cfg(test)]
    cases: &[
        ("none is listed", "deny; allow read", &[("architectures", Severity::Note)]),
        ("another is listed", "deny X32; allow read", &[("architectures", Severity::Note)]),
        ("it is listed", "deny X86; allow read", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let companion = match subject.native() {
        Architecture::X86_64 => Architecture::X86,
        Architecture::Aarch64 => Architecture::Arm,
        Architecture::S390x => Architecture::S390,
        Architecture::X32
        | Architecture::X86
        | Architecture::Arm
        | Architecture::Riscv64
        | Architecture::Ppc64le
        | Architecture::S390 => return,
    };
    if subject.survey.architectures().contains(&companion) {
        return;
    }
    out.push(Found {
        at: At::Spot(spot(&subject.profile().architectures)),
        severity: Severity::Note,
        what: format!("{companion} is not listed"),
        why: "the first call of a 32-bit program kills it".to_owned(),
        fix: Some(format!("list `{}` if they are to run", companion.scmp_name())),
    });
}

/// Where a profile lists architectures.
pub(super) fn spot(list: &ArchitectureList) -> Spot {
    match list {
        ArchitectureList::Native | ArchitectureList::Listed(_) => Spot::Field("architectures"),
        ArchitectureList::Map(_) => Spot::Field("archMap"),
    }
}
