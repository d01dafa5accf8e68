//! What is asked of a container while it runs, and what is run at its beginning and its end.
//!
//! | said | meant |
//! |---|---|
//! | `startupProbe`, `livenessProbe`, `readinessProbe` with `exec` | [`Probe`] |
//! | `lifecycle.postStart`, `lifecycle.preStop` with `exec` or `sleep` | [`Hook`] |
//!
//! An unset or zero number is Kubernetes' own default. In a probe's command `$(NAME)` of the container's
//! `env` is filled in as it stands there, in a hook's nothing is. They run as another process of the
//! container, by the plan that `exec` has, and are proven like it; a probe that a node runs by itself,
//! with its own rights, is what CVEs are made of.
//!
//! Kinds that ask by network (`httpGet`, `tcpSocket`, `grpc`) confine nothing: they are warned about by
//! name, and count as answered well.
//!
//! Source: Kubernetes `pkg/apis/core/v1/defaults.go`, `SetDefaults_Probe`; `validateProbe`;
//! `pkg/kubelet/prober`, `ExpandContainerCommandOnlyStatic`.

use std::collections::BTreeMap;
use std::time::Duration;

use stockade_spec::FieldPath;
use stockade_spec::k8s_openapi::api::core::v1 as k8s;

use crate::scope::{Findings, Scope};
use crate::{Origin, Reason, Sourced, environment};

/// What is asked of a container, and run beside it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Whether it has begun; the others wait for that.
    pub startup: Option<Probe>,
    /// Whether it still does what it should; if not, it is ended.
    pub liveness: Option<Probe>,
    /// Whether it is ready.
    pub readiness: Option<Probe>,
    /// What is run when it begins.
    pub post_start: Option<Hook>,
    /// What is run before it is asked to end.
    pub pre_stop: Option<Hook>,
}

/// A question that is asked again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Program and arguments; exit code 0 is a yes.
    pub command: Sourced<Vec<String>>,
    /// How long after the beginning it is asked first.
    pub initial_delay: Duration,
    /// How often.
    pub period: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many times yes in a row count.
    pub successes: u32,
    /// How many times no in a row count.
    pub failures: u32,
    /// How long the container gets to end, if not as long as its pod says.
    pub grace: Option<Duration>,
}

/// What is run once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hook {
    /// Program and arguments.
    Exec(Sourced<Vec<String>>),
    /// Nothing, for so long.
    Sleep(Duration),
}

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Health {
    let k8s::Container { startup_probe, liveness_probe, readiness_probe, lifecycle, .. } =
        scope.container;
    let mut desk = Desk { scope, findings };
    let none = k8s::Lifecycle::default();
    // `stopSignal` is read with what the container runs.
    let k8s::Lifecycle { post_start, pre_stop, stop_signal: _ } =
        lifecycle.as_ref().unwrap_or(&none);
    Health {
        startup: startup_probe.as_ref().and_then(|it| desk.probe("startupProbe", it)),
        liveness: liveness_probe.as_ref().and_then(|it| desk.probe("livenessProbe", it)),
        readiness: readiness_probe.as_ref().and_then(|it| desk.probe("readinessProbe", it)),
        post_start: post_start.as_ref().and_then(|it| desk.hook("lifecycle.postStart", it)),
        pre_stop: pre_stop.as_ref().and_then(|it| desk.hook("lifecycle.preStop", it)),
    }
}

struct Desk<'a, 's> {
    scope: &'a Scope<'s>,
    findings: &'a mut Findings,
}

impl Desk<'_, '_> {
    fn probe(&mut self, name: &str, probe: &k8s::Probe) -> Option<Probe> {
        let k8s::Probe {
            exec,
            failure_threshold,
            grpc,
            http_get,
            initial_delay_seconds,
            period_seconds,
            success_threshold,
            tcp_socket,
            termination_grace_period_seconds,
            timeout_seconds,
        } = probe;
        let at = self.scope.path.child(name);
        let by_network = [
            ("grpc", grpc.is_some()),
            ("httpGet", http_get.is_some()),
            ("tcpSocket", tcp_socket.is_some()),
        ];
        let is_readiness = name == "readinessProbe";
        let counted = |it: Option<i32>, unset| Self::number(it, unset);
        let successes = counted(*success_threshold, 1);
        if !is_readiness && successes.is_some_and(|it| it != 1) {
            self.wrong(&at.child("successThreshold"), "must be 1");
        }
        if is_readiness && termination_grace_period_seconds.is_some() {
            let at = at.child("terminationGracePeriodSeconds");
            self.wrong(&at, "must not be set for readinessProbes");
        }
        if termination_grace_period_seconds.is_some_and(|it| it < 1) {
            self.wrong(&at.child("terminationGracePeriodSeconds"), "must be greater than 0");
        }
        let numbers = [
            ("initialDelaySeconds", counted(*initial_delay_seconds, 0)),
            ("periodSeconds", counted(*period_seconds, 10)),
            ("timeoutSeconds", counted(*timeout_seconds, 1)),
            ("successThreshold", successes),
            ("failureThreshold", counted(*failure_threshold, 3)),
        ];
        for (name, number) in numbers {
            if number.is_none() {
                self.wrong(&at.child(name), "must be greater than or equal to 0");
            }
        }
        let [initial_delay, period, timeout, successes, failures] =
            numbers.map(|(_, number)| number);
        let mut command = self.command(&at, exec.as_ref(), &by_network)?;
        self.fill_in(&mut command.value);
        let seconds = |it: u32| Duration::from_secs(it.into());
        Some(Probe {
            command,
            initial_delay: seconds(initial_delay?),
            period: seconds(period?),
            timeout: seconds(timeout?),
            successes: successes?,
            failures: failures?,
            grace: termination_grace_period_seconds
                .and_then(|it| u64::try_from(it).ok())
                .map(Duration::from_secs),
        })
    }

    fn hook(&mut self, name: &str, hook: &k8s::LifecycleHandler) -> Option<Hook> {
        let k8s::LifecycleHandler { exec, http_get, sleep, tcp_socket } = hook;
        let at = self.scope.path.child(name);
        let by_network = [("httpGet", http_get.is_some()), ("tcpSocket", tcp_socket.is_some())];
        let Some(k8s::SleepAction { seconds }) = sleep else {
            return self.command(&at, exec.as_ref(), &by_network).map(Hook::Exec);
        };
        if exec.is_some() || by_network.iter().any(|it| it.1) {
            self.wrong(&at, "may not specify more than 1 handler type");
        }
        let Ok(seconds) = u64::try_from(*seconds) else {
            self.wrong(&at.child("sleep.seconds"), "must be greater than or equal to 0");
            return None;
        };
        Some(Hook::Sleep(Duration::from_secs(seconds)))
    }

    fn command(
        &mut self,
        at: &FieldPath,
        exec: Option<&k8s::ExecAction>,
        others: &[(&str, bool)],
    ) -> Option<Sourced<Vec<String>>> {
        let mut others = others.iter().filter(|it| it.1).peekable();
        match (exec, others.peek()) {
            (None, None) => self.wrong(at, "must specify a handler type"),
            (Some(_), Some(_)) => self.wrong(at, "may not specify more than 1 handler type"),
            (_, _) => {}
        }
        for (name, _) in others {
            let origin = Origin::Declared(self.scope.pod.place(&at.child(name)));
            let what = "has no effect: nothing is asked by network here, and the container counts \
                        as what the answer would make it";
            self.findings.warn(origin, format!("`{name}` {what}"));
        }
        let command = exec?.command.clone().unwrap_or_default();
        let at = at.child("exec.command");
        if command.is_empty() || command.iter().any(|it| it.contains('\0')) {
            self.wrong(&at, "is no command");
            return None;
        }
        Some(Sourced::new(command, Origin::Declared(self.scope.pod.place(&at))))
    }

    fn fill_in(&self, command: &mut [String]) {
        let variables = self.scope.container.env.iter().flatten();
        let known: BTreeMap<&str, &str> = variables
            .map(|it| (it.name.as_str(), it.value.as_deref().unwrap_or_default()))
            .collect();
        for word in command {
            *word = environment::expand(word, &known);
        }
    }

    /// A count or a number of seconds: what is not set or zero is the default. `None` below zero.
    fn number(declared: Option<i32>, unset: u32) -> Option<u32> {
        match declared {
            None | Some(0) => Some(unset),
            Some(number) => u32::try_from(number).ok(),
        }
    }

    fn wrong(&mut self, at: &FieldPath, why: &str) {
        let place = self.scope.pod.place(at);
        self.findings.refuse(Reason::CreateContainerConfigError, place, why);
    }
}

#[cfg(test)]
mod tests;
