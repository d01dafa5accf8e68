//! SELinux: the context of a container's process.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.seLinuxOptions` (container, else pod); `process.selinuxLabel` of a bundle |
//! | meant | [`SeLinux`] |
//! | done | the context written to `/proc/self/attr/exec`, in force from `execve` on |
//! | seen | `/proc/<pid>/attr/current` |
//!
//! A context needs file labels to go with it, which this build does not set: a manifest that asks
//! for one is refused by name.

use stockade_abi::facts::Label;
use stockade_abi::host::LsmState;
use stockade_abi::{Host, Reading};

use crate::container::SeLinux;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::mechanism::apparmor::label_text;
use crate::plan::{Action, SecurityModule, Stage, Step};
use crate::scope::{Findings, Scope, pod_place};
use crate::{Reason, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<SeLinux> {
    let mut refuse = |place| {
        findings.refuse(
            Reason::NotEnforced,
            place,
            "SELinux contexts are not enforced by this build",
        );
    };
    if scope.own().is_some_and(|it| it.se_linux_options.is_some()) {
        refuse(scope.own_place("seLinuxOptions"));
    } else if scope.shared().is_some_and(|it| it.se_linux_options.is_some()) {
        refuse(pod_place(scope.pod, "seLinuxOptions"));
    }
    Sourced::default(SeLinux::Unset, "no context is declared")
}

pub(crate) fn plan(context: &Sourced<SeLinux>) -> Vec<Step> {
    let SeLinux::Context(label) = &context.value else { return Vec::new() };
    let module = SecurityModule::SeLinux;
    let step = |stage, action| Step::new(stage, action, context.origin.clone());
    vec![
        step(Stage::LabelHandles, Action::OpenLabelHandle(module)),
        step(Stage::LsmLabel, Action::SetExecLabel { module, label: label.clone() }),
    ]
}

/// What an unset context becomes is the loaded policy's decision and is not foretold.
pub(crate) fn expect(context: &Sourced<SeLinux>, host: &Host) -> Reading<Label> {
    match (&context.value, host.selinux) {
        (SeLinux::Context(label), _) => {
            Reading::Known(Label::Is { name: label.clone(), mode: None })
        }
        (SeLinux::Unset, LsmState::Inactive) => Reading::Known(Label::Inactive),
        (SeLinux::Unset, LsmState::Active) => Reading::unreadable("left to the loaded policy"),
    }
}

pub(crate) fn render(context: &SeLinux) -> String {
    match context {
        SeLinux::Unset => "unset".to_owned(),
        SeLinux::Context(label) => label.clone(),
    }
}

pub(crate) fn compare(expected: &Label, seen: &Reading<Label>) -> Finding {
    Finding::of(Mechanism::SeLinux, seen, |seen| {
        let verdict = match (expected, seen) {
            (wanted, has) if wanted == has => Verdict::Holds,
            (Label::Is { .. }, Label::Inactive) => {
                Verdict::Weaker("SELinux is not active".to_owned())
            }
            (Label::Inactive, Label::Is { .. }) => Verdict::Tighter("SELinux is active".to_owned()),
            _ => Verdict::Weaker("another context".to_owned()),
        };
        (label_text(seen, "not in this kernel"), verdict)
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::host;

    #[test]
    fn any_other_context_is_weaker() {
        let is = |name: &str| Label::Is { name: name.to_owned(), mode: None };
        for (meant, seen, verdict) in [
            (is("u:r:t:s0"), is("u:r:t:s0"), "ok"),
            (is("u:r:t:s0"), is("u:r:t:s0:c1"), "WEAKER"),
            (is("u:r:t:s0"), Label::Inactive, "WEAKER"),
            (Label::Inactive, Label::Inactive, "ok"),
            (Label::Inactive, is("u:r:t:s0"), "tighter"),
        ] {
            let found = compare(&meant, &Reading::Known(seen.clone()));
            assert_eq!(found.verdict.to_string(), verdict, "{meant:?} {seen:?}");
        }
    }

    #[test]
    fn an_unset_context_is_the_policys_to_decide() {
        let unset = Sourced::default(SeLinux::Unset, "");
        assert_eq!(expect(&unset, &host()), Reading::Known(Label::Inactive));
        let active = Host { selinux: LsmState::Active, ..host() };
        assert!(expect(&unset, &active).known().is_none());
        assert!(plan(&unset).is_empty());
    }
}
