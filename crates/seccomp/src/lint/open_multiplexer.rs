//! A call is limited, but open through `socketcall` or `ipc`.
//!
//! The arguments of what a multiplexer does lie in memory, where no filter sees them. A rule for
//! `socket` counts for `socketcall(1, …)`, too, unless the profile decides on `socketcall` itself.
//! In a list of denials that is an error. In a list of what is allowed it is a note: 32-bit C
//! libraries know no other way to a socket.
//!
//! Source: `linux/net.h`, `linux/ipc.h`; [`crate::multiplex`].

use stockade_abi::syscalls::Syscall;

use super::{At, Found, Lint, Severity, Subject, list};
use crate::explain::Openness;
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "open-multiplexer",
    severities: &[Severity::Note, Severity::Error],
    finds: "a call that is limited, but open through `socketcall` or `ipc`",
    run,
    #[cfg(test)]
    cases: &[
        (
            "allowed by name",
            "deny X86; allow socketcall; allow socket if 0<38",
            &[("syscalls[0].names[0]", Severity::Note)],
        ),
        (
            "logged by name",
            "allow X86; deny socket if 0==38; log socketcall",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        (
            "of the other kind",
            "allow X86; deny semget; log ipc",
            &[("syscalls[1].names[0]", Severity::Error)],
        ),
        ("the denial counts for both", "allow X86; deny socket if 0==38", &[]),
        ("no such architecture", "allow X32; deny socket if 0==38; log socketcall", &[]),
        ("all sockets are allowed", "deny X86; allow socketcall socket", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    for &architecture in subject.survey.architectures() {
        for outer in ["socketcall", "ipc"] {
            let is_around = |syscall: &Syscall| {
                let through = subject.survey.decide_through(architecture, *syscall).ok().flatten();
                let is_through = through.is_some_and(|it| {
                    it.openness() == Openness::Open
                        && it.through.is_some_and(|it| it.outer == outer)
                });
                let direct = || subject.decide(architecture, syscall.name());
                is_through
                    && direct().is_some_and(|it| it.is_ruled() && it.openness() < Openness::Open)
            };
            let around: Vec<&str> = Syscall::all().filter(is_around).map(Syscall::name).collect();
            let Some(decision) = subject.decide(architecture, outer).filter(|_| !around.is_empty())
            else {
                continue;
            };
            let is_deny_list = subject.is_deny_list();
            let clause = decision.clauses.first();
            out.push(Found {
                at: At::Spot(clause.map_or(Spot::Profile, |it| subject.spot(it, outer))),
                severity: if is_deny_list { Severity::Error } else { Severity::Note },
                what: format!(
                    "{} is limited, but open through `{outer}` on {architecture}",
                    list(around)
                ),
                why: "the arguments lie in memory, where no filter sees them".to_owned(),
                fix: Some(if is_deny_list {
                    format!("leave out `{outer}`: the rules for its calls count for it, too")
                } else {
                    format!("do not allow `{outer}`, if no 32-bit program needs it")
                }),
            });
        }
    }
}
