//! When a container starts, and when it starts again.
//!
//! | | |
//! |---|---|
//! | said | the list that a container stands in, `restartPolicy` of the pod and of containers, `restartPolicyRules` |
//! | meant | [`Turn`] and [`Restart`] |
//!
//! An init container with `restartPolicy: Always` is a sidecar (Kubernetes 1.28); other containers
//! have a policy of their own since 1.34, and rules by exit code that go before it. An init
//! container that has succeeded is done, whatever the pod's policy.
//!
//! What this file does *not* know: processes. The supervisor asks [`Restart::after`].
//!
//! Source: Kubernetes `pkg/kubelet/container`, `ShouldContainerBeRestarted`; KEPs 753 and 5307.

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{ContainerList, Pod};

use crate::scope::{Findings, Scope};
use crate::{Origin, Reason, Sourced};

/// When a container has its turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Alone, after the one before it; it ends with success before the next has its turn.
    Init,
    /// Among the init containers, but it stays: until all that are no sidecars have ended.
    Sidecar,
    /// Together with the others of its kind, after all init containers.
    Regular,
}

/// When an ended container starts again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restart {
    /// What holds if no rule says so.
    pub policy: RestartPolicy,
    /// Exit codes after which it starts again in any case.
    pub rules: Vec<ExitCodes>,
}

/// When an ended container starts again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestartPolicy {
    /// Always.
    Always,
    /// If its exit code was not zero.
    OnFailure,
    /// Never.
    Never,
}

/// A set of exit codes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExitCodes {
    /// These.
    In(Vec<i32>),
    /// All but these.
    NotIn(Vec<i32>),
}

/// What becomes of a container that has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// It starts again.
    Again,
    /// It does not.
    Nothing,
}

impl Restart {
    /// What becomes of a container that ended with `code`; of a signal, 128 and its number. `None` if
    /// nobody knows, which is no success.
    pub fn after(&self, code: Option<i32>) -> Next {
        let by_rule = code.is_some_and(|code| self.rules.iter().any(|it| it.contains(code)));
        let again = by_rule
            || match self.policy {
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure => code != Some(0),
                RestartPolicy::Never => false,
            };
        if again { Next::Again } else { Next::Nothing }
    }
}

impl ExitCodes {
    fn contains(&self, code: i32) -> bool {
        match self {
            Self::In(codes) => codes.contains(&code),
            Self::NotIn(codes) => !codes.contains(&code),
        }
    }
}

/// What an unset `restartPolicy` of a pod means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestartDefault {
    /// As in a cluster: Always.
    Always,
    /// In the foreground: Never.
    Never,
}

/// The policy of a pod.
pub(crate) fn of_pod(
    pod: &Pod,
    spec: &k8s::PodSpec,
    default: RestartDefault,
) -> Sourced<RestartPolicy> {
    let declared =
        |value| Sourced::new(value, Origin::Declared(pod.place(&"spec.restartPolicy".into())));
    match (spec.restart_policy.as_deref(), default) {
        (Some("OnFailure"), _) => declared(RestartPolicy::OnFailure),
        (Some("Never"), _) => declared(RestartPolicy::Never),
        (Some(_), _) => declared(RestartPolicy::Always),
        (None, RestartDefault::Always) => {
            Sourced::default(RestartPolicy::Always, "Kubernetes' own default")
        }
        (None, RestartDefault::Never) => {
            Sourced::default(RestartPolicy::Never, "a pod in the foreground runs once")
        }
    }
}

/// When a container has its turn.
pub(crate) fn resolve(list: ContainerList, container: &k8s::Container) -> Turn {
    match (list, container.restart_policy.as_deref()) {
        (ContainerList::Init, Some("Always")) => Turn::Sidecar,
        (ContainerList::Init, _) => Turn::Init,
        (ContainerList::Regular | ContainerList::Ephemeral, _) => Turn::Regular,
    }
}

/// When a container starts again: as it says itself, else as its pod says.
pub(crate) fn restart(
    scope: &Scope<'_>,
    turn: Turn,
    pod: &Sourced<RestartPolicy>,
    findings: &mut Findings,
) -> Sourced<Restart> {
    let rules = rules(scope, turn, findings);
    let own = scope.container.restart_policy.as_deref();
    let field = || Origin::Declared(scope.field("restartPolicy"));
    let (policy, origin) = match own {
        None => (pod.value, pod.origin.clone()),
        Some("Always") => (RestartPolicy::Always, field()),
        Some("OnFailure") => (RestartPolicy::OnFailure, field()),
        Some("Never") => (RestartPolicy::Never, field()),
        Some(other) => {
            let why = format!("{other:?} is no policy: \"Always\", \"OnFailure\", \"Never\"");
            let place = scope.field("restartPolicy");
            findings.refuse(Reason::CreateContainerConfigError, place, why);
            (RestartPolicy::Never, field())
        }
    };
    let policy = match (turn, policy) {
        (Turn::Init, RestartPolicy::Always) => RestartPolicy::OnFailure,
        (Turn::Init | Turn::Sidecar | Turn::Regular, policy) => policy,
    };
    Sourced::new(Restart { policy, rules }, origin)
}

fn rules(scope: &Scope<'_>, turn: Turn, findings: &mut Findings) -> Vec<ExitCodes> {
    let written = scope.container.restart_policy_rules.as_deref().unwrap_or_default();
    let path = scope.path.child("restartPolicyRules");
    let mut refuse = |at: &stockade_spec::FieldPath, why: &str| {
        findings.refuse(Reason::CreateContainerConfigError, scope.pod.place(at), why);
    };
    match (written.is_empty(), scope.container.restart_policy.is_some(), turn) {
        (false, false, _) => refuse(&path, "needs a `restartPolicy` beside it"),
        (false, true, Turn::Sidecar) => refuse(&path, "means nothing for what always restarts"),
        _ => {}
    }
    let mut rules = Vec::with_capacity(written.len());
    for (index, rule) in written.iter().enumerate() {
        let k8s::ContainerRestartRule { action, exit_codes } = rule;
        let path = path.index(index);
        if action != "Restart" {
            let why = format!("{action:?} is not done by this build: \"Restart\" is");
            let place = scope.pod.place(&path.child("action"));
            findings.refuse(Reason::NotEnforced, place, why);
            continue;
        }
        let mut refuse = |name: &str, why: &str| {
            let place = scope.pod.place(&path.child(name));
            findings.refuse(Reason::CreateContainerConfigError, place, why);
        };
        let Some(k8s::ContainerRestartRuleOnExitCodes { operator, values }) = exit_codes else {
            refuse("exitCodes", "must be specified");
            continue;
        };
        let values = values.clone().unwrap_or_default();
        match operator.as_str() {
            "In" => rules.push(ExitCodes::In(values)),
            "NotIn" => rules.push(ExitCodes::NotIn(values)),
            _ => refuse("exitCodes.operator", "is not \"In\" or \"NotIn\""),
        }
    }
    rules
}

#[cfg(test)]
mod tests;
