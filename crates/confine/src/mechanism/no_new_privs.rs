//! no_new_privs: may `execve` give a process more than it has?
//!
//! | | |
//! |---|---|
//! | said | `securityContext.allowPrivilegeEscalation` of a container; there is no pod-level field |
//! | meant | [`NoNewPrivs`] |
//! | done | `prctl(PR_SET_NO_NEW_PRIVS)`, before a seccomp filter that relies on it |
//! | seen | `NoNewPrivs` in `/proc/<pid>/status` |
//!
//! The bit is inherited and can never be cleared, so there is nothing to plan for `Unset` and no
//! way back from `Set`. Source: prctl(2).

use stockade_abi::Reading;
use stockade_abi::facts::NoNewPrivs;

use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Stage, Step};
use crate::scope::Scope;
use crate::{Origin, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>) -> Sourced<NoNewPrivs> {
    let Some(allowed) = scope.own().and_then(|it| it.allow_privilege_escalation) else {
        return Sourced::default(
            NoNewPrivs::Unset,
            "escalation is allowed unless the container forbids it",
        );
    };
    let value = if allowed { NoNewPrivs::Unset } else { NoNewPrivs::Set };
    Sourced::new(value, Origin::Declared(scope.own_place("allowPrivilegeEscalation")))
}

pub(crate) fn plan(bit: &Sourced<NoNewPrivs>) -> Option<Step> {
    match bit.value {
        NoNewPrivs::Set => {
            Some(Step::new(Stage::NoNewPrivs, Action::SetNoNewPrivs, bit.origin.clone()))
        }
        NoNewPrivs::Unset => None,
    }
}

pub(crate) fn expect(bit: &Sourced<NoNewPrivs>) -> Reading<NoNewPrivs> {
    Reading::Known(bit.value)
}

pub(crate) fn render(bit: NoNewPrivs) -> String {
    match bit {
        NoNewPrivs::Set => "no escalation".to_owned(),
        NoNewPrivs::Unset => "escalation allowed".to_owned(),
    }
}

pub(crate) fn compare(expected: NoNewPrivs, seen: &Reading<NoNewPrivs>) -> Finding {
    Finding::of(Mechanism::NoNewPrivs, seen, |seen| {
        let verdict = match (expected, *seen) {
            (NoNewPrivs::Set, NoNewPrivs::Unset) => {
                Verdict::Weaker("the no_new_privs bit is not set".to_owned())
            }
            (NoNewPrivs::Unset, NoNewPrivs::Set) => {
                Verdict::Tighter("the no_new_privs bit is set".to_owned())
            }
            (NoNewPrivs::Set, NoNewPrivs::Set) | (NoNewPrivs::Unset, NoNewPrivs::Unset) => {
                Verdict::Holds
            }
        };
        (render(*seen), verdict)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{resolved, secured, world};

    #[test]
    fn only_an_explicit_false_sets_the_bit() {
        for (own, expected) in [
            ("", NoNewPrivs::Unset),
            ("allowPrivilegeEscalation: true", NoNewPrivs::Unset),
            ("allowPrivilegeEscalation: false", NoNewPrivs::Set),
            ("allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}", NoNewPrivs::Set),
            ("privileged: true", NoNewPrivs::Unset),
            ("runAsUser: 1000, capabilities: {drop: [ALL]}", NoNewPrivs::Unset),
        ] {
            let resolved = resolved(&secured("", own), &world());
            let bit = &resolved.containers[0].confinement.no_new_privs;
            assert_eq!(bit.value, expected, "{own}");
            assert_eq!(plan(bit).is_some(), expected == NoNewPrivs::Set, "{own}");
        }
    }

    #[test]
    fn a_missing_bit_is_weaker_and_an_extra_one_tighter() {
        use NoNewPrivs::{Set, Unset};
        for (meant, seen, verdict) in [
            (Set, Reading::Known(Set), "ok"),
            (Set, Reading::Known(Unset), "WEAKER"),
            (Unset, Reading::Known(Set), "tighter"),
            (Unset, Reading::Known(Unset), "ok"),
            (Unset, Reading::unreadable("EACCES"), "could not tell"),
        ] {
            let found = compare(meant, &seen);
            assert_eq!(found.verdict.to_string(), verdict, "{meant:?} {seen:?}");
        }
    }
}
