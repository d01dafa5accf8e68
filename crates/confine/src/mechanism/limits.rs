//! Limits: how much of the machine a container may use.
//!
//! | | |
//! |---|---|
//! | said | `resources.limits` and `resources.requests` (cpu, memory) of a container; the node's limit of processes in a pod |
//! | meant | [`Limits`] |
//! | done | files of the cgroup of the container, or of its pod for what all of them share |
//! | seen | the same files along the process's cgroup path, the lowest limit of each kind |
//!
//! A limit of another resource is refused by name: it would not be enforced.

use stockade_abi::Reading;
use stockade_abi::facts::LimitFacts;
use stockade_abi::host::{Host, Privilege};
use stockade_spec::k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::finding::{Finding, Mechanism, Verdict};
use crate::limits::Limits;
use crate::quantity;
use crate::scope::{Findings, Scope};
use crate::world::World;
use crate::{Origin, Reason, Refusal, Sourced};

/// What the node allows all containers of a pod together. Each of them has it as its own limit, too,
/// since it cannot have more.
pub(crate) fn resolve_pod(world: &World) -> Sourced<Limits> {
    let limits = Limits { pids: world.node.pod_pids_limit, ..Limits::default() };
    match limits.pids {
        Some(_) => Sourced::new(limits, Origin::Node("--pod-max-pids".to_owned())),
        None => Sourced::default(limits, "the node sets no limits for a pod"),
    }
}

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

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{host, node, pod, refusals, resolved, users_host, world};
    use crate::world::{Node, World};

    fn limited(resources: &str) -> stockade_spec::Pod {
        pod(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, \
             image: i, command: [x], resources: {{{resources}}}}}]}}}}"
        ))
    }

    #[test]
    fn what_a_container_may_use() {
        for (resources, expected, shares) in [
            ("", "none", None),
            ("limits: {memory: 64Mi}", "64 MiB", None),
            ("limits: {memory: 1k}", "1000 bytes", None),
            ("limits: {memory: 0}", "none", None),
            ("limits: {cpu: 1500m}", "1.50 CPUs", None),
            ("limits: {cpu: 2, memory: 1Gi}", "1024 MiB, 2.00 CPUs", None),
            ("requests: {cpu: 500m}", "none", Some(512)),
            ("requests: {cpu: 0}", "none", Some(2)),
            ("requests: {cpu: 1000}", "none", Some(262_144)),
            ("requests: {memory: 1Gi}", "none", None),
        ] {
            let resolved = resolved(&limited(resources), &world());
            let limits = resolved.containers[0].confinement.limits.value;
            assert_eq!(
                (render(&limits).as_str(), limits.cpu_shares),
                (expected, shares),
                "{resources}"
            );
        }
        let world = World { node: Node { pod_pids_limit: Some(100), ..node() }, ..world() };
        for (resources, expected) in
            [("", "100 processes"), ("limits: {memory: 1Mi}", "100 processes, 1 MiB")]
        {
            let resolved = self::resolved(&limited(resources), &world);
            assert_eq!(render(&resolved.containers[0].confinement.limits.value), expected);
        }
    }

    #[test]
    fn what_is_no_quantity_or_not_enforced_is_refused() {
        let at = "spec.containers[0].resources.limits";
        for (resources, expected) in [
            ("limits: {memory: 64MB}", format!("{at}[memory]: CreateContainerConfigError")),
            ("limits: {cpu: -1}", format!("{at}[cpu]: CreateContainerConfigError")),
            ("limits: {ephemeral-storage: 1Gi}", format!("{at}[ephemeral-storage]: NotEnforced")),
            ("limits: {hugepages-2Mi: 2Mi}", format!("{at}[hugepages-2Mi]: NotEnforced")),
        ] {
            let told = refusals(&limited(resources), &world());
            assert!(told.len() == 1 && told[0].starts_with(&expected), "{resources}: {told:?}");
        }
    }

    #[test]
    fn a_limit_needs_its_controller_and_root() {
        let mut no_memory = host();
        no_memory.cgroups.v2.as_mut().unwrap().controllers.retain(|it| it != "memory");
        for (limits, host, refused) in [
            (Limits { memory: Some(1), ..Limits::default() }, host(), false),
            (Limits { memory: Some(1), ..Limits::default() }, no_memory.clone(), true),
            (Limits { pids: Some(1), ..Limits::default() }, no_memory, false),
            (Limits { cpu_shares: Some(2), ..Limits::default() }, users_host(), true),
            (Limits::default(), users_host(), false),
        ] {
            let place = || Origin::Default("").place_or_self();
            let told = unsupported(&Sourced::default(limits, ""), &host, place);
            assert_eq!(told.is_some(), refused, "{limits:?}");
        }
    }

    #[test]
    fn a_limit_that_is_not_in_force_is_weaker() {
        let facts = |pids, memory, cpu_micros| LimitFacts { pids, memory, cpu_micros };
        let known = |pids, memory, cpu| Reading::Known(facts(pids, memory, cpu));
        let meant = facts(Some(10), Some(1_000_000), Some(500_000));
        for (shows, seen, verdict) in [
            ("the same", known(Some(10), Some(1_000_000), Some(500_000)), "ok"),
            ("whole pages", known(Some(10), Some(999_424), Some(500_000)), "ok"),
            ("one more", known(Some(11), Some(1_000_000), Some(500_000)), "WEAKER"),
            ("none", known(Some(10), None, Some(500_000)), "WEAKER"),
            ("a byte more", known(Some(10), Some(1_000_001), Some(500_000)), "WEAKER"),
            ("fewer", known(Some(9), Some(1_000_000), Some(500_000)), "tighter"),
            ("unread", Reading::unreadable("x"), "could not tell"),
        ] {
            assert_eq!(compare(&meant, &seen).verdict.to_string(), verdict, "{shows}");
        }
        let nothing = LimitFacts::default();
        for seen in [Reading::unreadable("x"), known(Some(5), None, None)] {
            assert_eq!(compare(&nothing, &seen).verdict, Verdict::Holds);
        }
    }
}
