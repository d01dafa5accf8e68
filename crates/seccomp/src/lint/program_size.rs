//! A program that the kernel does not take, or nearly not: it takes 4096 instructions, and 32768 of
//! all filters of a process together, each counted with four more.
//!
//! Source: `linux/bpf_common.h` (`BPF_MAXINSNS`), `kernel/seccomp.c` (`MAX_INSNS_PER_PATH`).

use stockade_abi::bpf::MAX_INSTRUCTIONS;

use super::{At, Found, Lint, Severity, Subject};
use crate::compile::CompileError;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "program-size",
    severities: &[Severity::Warning, Severity::Error],
    finds: "a program that is longer than the kernel takes, or nearly",
    run,
    #[cfg(test)]
    cases: &[
        ("too long", "deny; 1100x allow ioctl if 1==#7", &[("syscalls", Severity::Error)]),
        ("nearly", "deny; 900x allow ioctl if 1==#7", &[("syscalls", Severity::Warning)]),
        ("not nearly", "deny; 700x allow ioctl if 1==#7", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let (severity, count) = match &subject.program {
        Some(Ok(program)) if program.instructions().len() > NEAR => {
            (Severity::Warning, program.instructions().len())
        }
        Some(Err(CompileError::TooLong { instructions })) => (Severity::Error, *instructions),
        Some(Ok(_)) | None => return,
    };
    let why = match severity {
        Severity::Error => "the profile cannot be used",
        Severity::Warning | Severity::Note => {
            "a compiler that writes longer programs, as libseccomp does, fails to make one of it"
        }
    };
    out.push(Found {
        at: At::Spot(Spot::Field("syscalls")),
        severity,
        what: format!("the program has {count} instructions; the kernel takes {MAX_INSTRUCTIONS}"),
        why: why.to_owned(),
        fix: Some("use masks and ranges in place of single values".to_owned()),
    });
}

/// libseccomp's programs are three times as long and more.
const NEAR: usize = MAX_INSTRUCTIONS * 3 / 4;
