//! `io_uring` is open while calls are denied that it can do: its operations are not system calls, and
//! no filter sees them.
//!
//! Reads `io_uring_setup` and `io_uring_enter`, and what rules say about the calls of
//! [`OPERATIONS`]. It is an error in a list of denials, which is without effect then; in a list of
//! what is allowed, operations are limited to what the kernel lets the process do.
//!
//! Source: io_uring_enter(2), "IORING_OP"; the kernel audits such operations since 5.16 but does not
//! filter them.

use super::{At, Found, Lint, Severity, Subject, list};
use crate::explain::{By, Openness};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "io-uring",
    severities: &[Severity::Warning, Severity::Error],
    finds: "`io_uring` is open, by which a process does what other rules deny it",
    run,
    #[cfg(test)]
    cases: &[
        (
            "a denied socket",
            "allow; deny socket if 0==38",
            &[("syscalls[0].names[0]", Severity::Error)],
        ),
        (
            "a limited socket",
            "deny; allow io_uring_setup io_uring_enter; allow socket if 0<38",
            &[("syscalls[0].names[0]", Severity::Warning)],
        ),
        ("it is denied, too", "allow; deny socket io_uring_setup", &[]),
        ("it is not allowed", "deny; allow socket if 0<38", &[]),
        ("it cannot do that", "allow; deny chmod", &[]),
        ("all is allowed", "deny; allow io_uring_setup io_uring_enter socket", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let native = subject.native();
    let is_open = |name| subject.openness(native, name).is_some_and(|it| it > Openness::Closed);
    if !is_open("io_uring_setup") || !is_open("io_uring_enter") {
        return;
    }
    let is_restrained = |name: &&&str| {
        let decision = subject.decide(native, name);
        decision.is_some_and(|it| it.is_ruled() && it.openness() < Openness::Open)
    };
    let restrained: Vec<&str> = OPERATIONS.iter().filter(is_restrained).copied().collect();
    let Some(first) = restrained.first() else { return };
    let spot = |name: &str| -> Option<Spot> {
        let decision = subject.decide(native, name)?;
        let clause = decision.clauses.iter().find(|it| matches!(it.by, By::Rule(_)))?;
        Some(subject.spot(clause, name))
    };
    let (severity, at, fix) = if subject.is_deny_list() {
        (
            Severity::Error,
            spot(first),
            "deny `io_uring_setup`, `io_uring_enter` and `io_uring_register`",
        )
    } else {
        (Severity::Warning, spot("io_uring_setup"), "do not allow `io_uring_setup`")
    };
    out.push(Found {
        at: At::Spot(at.unwrap_or(Spot::Profile)),
        severity,
        what: format!("{} can be done through `io_uring`, which is open", list(restrained)),
        why: "its operations are not system calls: no filter sees them".to_owned(),
        fix: Some(fix.to_owned()),
    });
}

/// Calls with an operation of their own. As of Linux 6.17.
const OPERATIONS: &[&str] = &[
    "accept",
    "accept4",
    "bind",
    "connect",
    "fallocate",
    "fgetxattr",
    "fsetxattr",
    "ftruncate",
    "getxattr",
    "linkat",
    "listen",
    "mkdirat",
    "openat",
    "openat2",
    "recvmsg",
    "renameat2",
    "sendmsg",
    "sendto",
    "setxattr",
    "shutdown",
    "socket",
    "splice",
    "statx",
    "symlinkat",
    "tee",
    "unlinkat",
];
