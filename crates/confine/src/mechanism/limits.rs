//! Limits: how much of the machine a container may use.
//!
//! | | |
//! |---|---|
//! | said | `resources.limits` and `resources.requests` (cpu, memory) of a container; the node's limit of processes in a pod |
//! | meant | [`Limits`] |
//! | done | files of the container's cgroup |
//! | seen | the same files along the process's cgroup path, the lowest limit of each kind |
//!
//! A limit of another resource is refused by name: it would not be enforced.

use stockade_abi::Reading;
use stockade_abi::facts::LimitFacts;
use stockade_abi::host::{Host, Privilege};
use stockade_spec::k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::drift::{Finding, Mechanism, Verdict};
use crate::limits::Limits;
use crate::quantity;
use crate::scope::{Findings, Scope};
use crate::{Origin, Reason, Refusal, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<Limits> {
    let mut limits = Limits { pids: scope.world.node.pod_pids_limit, ..Limits::default() };
    let Some(resources) = &scope.container.resources else {
        return match limits.pids {
            Some(_) => Sourced::new(limits, Origin::Node("--pod-max-pids".to_owned())),
            None => Sourced::default(limits, "no limits are declared"),
        };
    };

    for (name, amount) in resources.limits.iter().flatten() {
        let field = format!("resources.limits[{name}]");
        match name.as_str() {
            "cpu" => {
                let millis = read(scope, &field, amount, quantity::millis, findings);
                limits.cpu_micros = millis.map(|it| it.saturating_mul(1000)).filter(|it| *it > 0);
            }
            "memory" => {
                let bytes = read(scope, &field, amount, quantity::whole, findings);
                limits.memory = bytes.filter(|it| *it > 0);
            }
            other => findings.refuse(
                Reason::NotEnforced,
                scope.field(&field),
                format!("a limit of `{other}` is not enforced by this build"),
            ),
        }
    }
    let request = resources.requests.iter().flatten().find(|(name, _)| *name == "cpu");
    if let Some((_, amount)) = request {
        let millis = read(scope, "resources.requests[cpu]", amount, quantity::millis, findings);
        limits.cpu_shares = millis.map(|it| (it.saturating_mul(1024) / 1000).clamp(2, 262_144));
    }
    Sourced::new(limits, Origin::Declared(scope.field("resources")))
}

fn read(
    scope: &Scope<'_>,
    field: &str,
    amount: &Quantity,
    parse: impl Fn(&str) -> Result<u64, String>,
    findings: &mut Findings,
) -> Option<u64> {
    parse(&amount.0)
        .map_err(|why| {
            findings.refuse(Reason::CreateContainerConfigError, scope.field(field), why);
        })
        .ok()
}

/// Refuses limits that nobody could set.
pub(crate) fn unsupported(
    limits: &Sourced<Limits>,
    host: &Host,
    place: impl Fn() -> stockade_spec::Place,
) -> Option<Refusal> {
    let asked = [
        ("pids", limits.value.pids),
        ("memory", limits.value.memory),
        ("cpu", limits.value.cpu_micros.or(limits.value.cpu_shares)),
    ];
    let has = |name: &str| {
        host.cgroups.v1.contains_key(name)
            || host.cgroups.v2.as_ref().is_some_and(|v2| v2.controllers.iter().any(|it| it == name))
    };
    let refusal =
        |why: String| Refusal { reason: Reason::Unsupported, place: place(), why, hint: None };
    let (name, _) = asked.into_iter().find(|(name, value)| {
        value.is_some() && (!has(name) || matches!(host.privilege, Privilege::User { .. }))
    })?;
    Some(match host.privilege {
        Privilege::User { .. } => {
            refusal(format!("a limit of {name} needs a cgroup, which needs root"))
        }
        Privilege::Root { .. } => refusal(format!("this host has no cgroup controller for {name}")),
    })
}

pub(crate) fn expect(limits: &Sourced<Limits>) -> Reading<LimitFacts> {
    let Limits { pids, memory, cpu_micros, cpu_shares: _ } = limits.value;
    Reading::Known(LimitFacts { pids, memory, cpu_micros })
}

pub(crate) fn render(limits: &Limits) -> String {
    text(&LimitFacts { pids: limits.pids, memory: limits.memory, cpu_micros: limits.cpu_micros })
}

#[expect(clippy::cast_precision_loss, reason = "shown to people with two decimals")]
fn text(limits: &LimitFacts) -> String {
    let parts = [
        limits.pids.map(|it| format!("{it} processes")),
        limits.memory.map(|it| match it {
            it if it % (1 << 20) == 0 => format!("{} MiB", it >> 20),
            it => format!("{it} bytes"),
        }),
        limits.cpu_micros.map(|it| format!("{:.2} CPUs", it as f64 / 1e6)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

pub(crate) fn compare(expected: &LimitFacts, seen: &Reading<LimitFacts>) -> Finding {
    let asked = *expected != LimitFacts::default();
    if !asked && seen.known().is_none() {
        let seen = "not asked".to_owned();
        return Finding { mechanism: Mechanism::Limits, seen, verdict: Verdict::Holds };
    }
    Finding::of(Mechanism::Limits, seen, |seen| {
        let pairs = [
            ("pids", expected.pids, seen.pids),
            ("memory", expected.memory, seen.memory),
            ("cpu", expected.cpu_micros, seen.cpu_micros),
        ];
        let above = |(_, wanted, has): &&(&str, Option<u64>, Option<u64>)| {
            wanted.is_some_and(|wanted| has.is_none_or(|has| has > wanted))
        };
        let below = |(name, wanted, has): &(&str, Option<u64>, Option<u64>)| {
            // The kernel keeps memory limits in whole pages.
            let slack = if *name == "memory" { 65_536 } else { 0 };
            has.is_some_and(|has| wanted.is_some_and(|wanted| has + slack < wanted))
        };
        let verdict = if let Some((name, ..)) = pairs.iter().find(above) {
            Verdict::Weaker(format!("the limit of {name} is not in force"))
        } else if pairs.iter().any(below) {
            Verdict::Tighter("a cgroup above has a lower limit".to_owned())
        } else {
            Verdict::Holds
        };
        (text(seen), verdict)
    })
}
