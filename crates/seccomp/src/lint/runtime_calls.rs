//! What a runtime still calls after it has loaded the filter, and the profile closes.
//!
//! | who | with `no_new_privs` | without |
//! |---|---|---|
//! | Stockade | `execve` | `capset`, `execve` |
//! | crun | `execve` | the calls of [`EARLY`], too |
//! | runc | those of [`LAST`], and `execve` | the calls of [`EARLY`], too |
//!
//! Without `no_new_privs` runc and crun load the filter before they drop privilege.
//!
//! Complies: all of them open. Source: `docs/decisions/seccomp-order.md`; runc
//! `libcontainer/standard_init_linux.go` (`Init`), `init_linux.go` (`finalizeNamespace`),
//! opencontainers/runc#2097; crun `src/libcrun/container.c` (`container_init`).

use super::{At, Found, Lint, Severity, Subject, list};
use crate::explain::Openness;

pub(super) const LINT: Lint = Lint {
    id: "runtime-calls",
    severities: &[Severity::Note, Severity::Warning],
    finds: "calls are closed that a runtime makes after it has loaded the filter",
    run,
    #[cfg(test)]
    cases: &[
        (
            "a profile of nothing",
            "deny; allow execve exit exit_group",
            &[
                ("defaultAction", Severity::Warning),
                ("defaultAction", Severity::Note),
                ("defaultAction", Severity::Note),
            ],
        ),
        ("a good denial", "allow; deny setgroups", &[("syscalls[0].names[0]", Severity::Note)]),
        ("needed by all", "allow; deny capset", &[("syscalls[0].names[0]", Severity::Note)]),
        ("what no runtime needs", "allow; deny chmod mount", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    let groups: [(&[&str], Severity, &str); 3] = [
        (LAST, Severity::Warning, "runc calls them between loading the filter and `execve`"),
        (
            &["capset"],
            Severity::Note,
            "without `no_new_privs` every runtime gives up its last capabilities under the filter",
        ),
        (
            EARLY,
            Severity::Note,
            "without `no_new_privs` runc or crun call them under the filter; Stockade does not",
        ),
    ];
    for (names, severity, why) in groups {
        let is_closed =
            |it: &&&str| subject.openness(subject.native(), it) == Some(Openness::Closed);
        let closed: Vec<&str> = names.iter().filter(is_closed).copied().collect();
        let Some(first) = closed.first() else { continue };
        let Some(decision) = subject.decide(subject.native(), first) else { continue };
        out.push(Found {
            at: At::Spot(subject.spot(&decision.clauses[0], first)),
            severity,
            what: format!("closes {}", list(closed.iter().copied())),
            why: why.to_owned(),
            fix: Some(format!("allow {}, if such containers are to start", list(closed))),
        });
    }
}

/// Closing its pipes, opening and writing the fifo at which `create` waits for `start`, and the
/// scheduler of its language.
const LAST: &[&str] = &["close", "futex", "openat", "write"];

/// Changing the user and what belongs to that.
const EARLY: &[&str] = &[
    "chdir",
    "fchown",
    "getppid",
    "prctl",
    "setgid",
    "setgroups",
    "setresgid",
    "setresuid",
    "setuid",
];
