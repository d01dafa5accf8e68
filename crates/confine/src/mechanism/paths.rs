//! Guarded paths: files of the kernel that a container neither reads nor writes.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.procMount` and `privileged` of a container |
//! | meant | [`GuardedPaths`] |
//! | done | an empty read-only directory or the null device over each masked path, a read-only mount of each read-only one |
//! | seen | `/proc/<pid>/mountinfo` |
//!
//! The lists are those of the kubelet since 1.34, whatever version the node plays: older ones lack paths
//! that leak. A path that the kernel does not have cannot be
//! masked and need not be.

use std::collections::BTreeMap;

use stockade_abi::Reading;
use stockade_abi::facts::PathAccess;
use stockade_spec::ApiVersion;

use crate::container::GuardedPaths;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Stage, Step};
use crate::scope::{Findings, Scope};
use crate::{Origin, Reason, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<GuardedPaths> {
    if scope.own().and_then(|it| it.proc_mount.as_deref()) == Some("Unmasked") {
        findings.refuse(
            Reason::NotEnforced,
            scope.own_place("procMount"),
            "`Unmasked` needs `hostUsers: false`, which this build does not offer",
        );
    }
    if scope.is_privileged() {
        let origin = Origin::Declared(scope.own_place("privileged"));
        return Sourced::new(GuardedPaths::default(), origin);
    }
    let value = lists(LATEST, scope.world.node.last_cpu);
    Sourced::default(value, "the kubelet's lists for `procMount: Default`")
}

/// What a kubelet of that version asks its runtime to guard, whether or not it will.
pub(crate) fn asked_for(scope: &Scope<'_>, minor: u32) -> GuardedPaths {
    match scope.own().and_then(|it| it.proc_mount.as_deref()) {
        Some("Unmasked") => GuardedPaths::default(),
        _ => lists(minor, scope.world.node.last_cpu),
    }
}

/// The lists for `procMount: Default`.
fn lists(minor: u32, last_cpu: u32) -> GuardedPaths {
    let of = |list: &[Listed]| {
        let listed = list.iter().filter(|it| (it.since..=it.last).contains(&minor));
        listed.map(|it| it.path.to_owned()).collect::<Vec<_>>()
    };
    let per_cpu = (0..=last_cpu)
        .map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"))
        .filter(|_| minor >= PER_CPU_SINCE);
    let mut masked = of(MASKED);
    masked.extend(per_cpu);
    GuardedPaths { masked, read_only: of(READ_ONLY) }
}

pub(crate) fn plan(paths: &Sourced<GuardedPaths>) -> Vec<Step> {
    let step = |action| Step::new(Stage::MaskedPaths, action, paths.origin.clone());
    let read_only = paths.value.read_only.iter().map(|it| Action::MakeReadOnly(it.clone()));
    let masked = paths.value.masked.iter().map(|it| Action::Mask(it.clone()));
    read_only.chain(masked).map(step).collect()
}

pub(crate) fn expect(paths: &Sourced<GuardedPaths>) -> BTreeMap<String, Reading<PathAccess>> {
    let with = |paths: &[String], access| {
        paths.iter().map(move |it| (it.clone(), Reading::Known(access))).collect::<Vec<_>>()
    };
    let masked = with(&paths.value.masked, PathAccess::Masked);
    with(&paths.value.read_only, PathAccess::ReadOnly).into_iter().chain(masked).collect()
}

pub(crate) fn render(paths: &GuardedPaths) -> String {
    text(paths.masked.len(), paths.read_only.len())
}

fn text(masked: usize, read_only: usize) -> String {
    match (masked, read_only) {
        (0, 0) => "none".to_owned(),
        _ => format!("{masked} masked, {read_only} read-only"),
    }
}

pub(crate) fn compare(
    expected: &BTreeMap<String, Reading<PathAccess>>,
    seen: &BTreeMap<String, Reading<PathAccess>>,
) -> Option<Finding> {
    let mut unreadable = Vec::new();
    let mut weaker = Vec::new();
    let (mut masked, mut read_only) = (0, 0);
    for (path, wanted) in expected {
        let Some(wanted) = wanted.known() else { continue };
        match seen.get(path) {
            Some(Reading::Known(has)) if has >= wanted => match wanted {
                PathAccess::Masked | PathAccess::Absent => masked += 1,
                PathAccess::ReadOnly | PathAccess::Writable => read_only += 1,
            },
            Some(Reading::Known(has)) => weaker.push(format!("{path} is {}", word(*has))),
            Some(Reading::Unreadable(why)) => unreadable.push(format!("{path}: {why}")),
            None => unreadable.push(format!("{path}: not asked")),
        }
    }
    let verdict = if !weaker.is_empty() {
        Verdict::Weaker(weaker.join(", "))
    } else if !unreadable.is_empty() {
        Verdict::Unreadable(unreadable.join(", "))
    } else {
        Verdict::Holds
    };
    Some(Finding { mechanism: Mechanism::Paths, seen: text(masked, read_only), verdict })
}

const fn word(access: PathAccess) -> &'static str {
    match access {
        PathAccess::Writable => "writable",
        PathAccess::ReadOnly => "readable",
        PathAccess::Masked => "masked",
        PathAccess::Absent => "absent",
    }
}

/// A path of a kubelet's list, with the versions of Kubernetes that have it.
struct Listed {
    path: &'static str,
    since: u32,
    last: u32,
}

const fn always(path: &'static str) -> Listed {
    since(0, path)
}

const fn since(since: u32, path: &'static str) -> Listed {
    Listed { path, since, last: u32::MAX }
}

const fn until(last: u32, path: &'static str) -> Listed {
    Listed { path, since: 0, last }
}

const MASKED: &[Listed] = &[
    since(27, "/proc/asound"),
    always("/proc/acpi"),
    always("/proc/kcore"),
    always("/proc/keys"),
    always("/proc/latency_stats"),
    always("/proc/timer_list"),
    always("/proc/timer_stats"),
    always("/proc/sched_debug"),
    always("/proc/scsi"),
    since(PER_CPU_SINCE, "/proc/interrupts"),
    always("/sys/firmware"),
    since(28, "/sys/devices/virtual/powercap"),
];

const READ_ONLY: &[Listed] = &[
    until(26, "/proc/asound"),
    always("/proc/bus"),
    always("/proc/fs"),
    always("/proc/irq"),
    always("/proc/sys"),
    always("/proc/sysrq-trigger"),
];

/// Since 1.34, and in late patch releases of the three before it.
const PER_CPU_SINCE: u32 = 31;

const LATEST: u32 = ApiVersion::LATEST.0 as u32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{resolved, secured, world};

    #[test]
    fn stronger_than_asked_is_fine_and_weaker_or_unknown_is_not() {
        let path = "/proc/x".to_owned();
        let known = |access| BTreeMap::from([(path.clone(), Reading::Known(access))]);
        for (wanted, seen, verdict) in [
            (PathAccess::Masked, known(PathAccess::Masked), "ok"),
            (PathAccess::Masked, known(PathAccess::Absent), "ok"),
            (PathAccess::Masked, known(PathAccess::ReadOnly), "WEAKER"),
            (PathAccess::ReadOnly, known(PathAccess::Masked), "ok"),
            (PathAccess::ReadOnly, known(PathAccess::Writable), "WEAKER"),
            (PathAccess::ReadOnly, BTreeMap::new(), "could not tell"),
        ] {
            let found = compare(&known(wanted), &seen).unwrap();
            assert_eq!(found.verdict.to_string(), verdict, "{wanted:?} {seen:?}");
        }
    }

    #[test]
    fn every_container_but_a_privileged_one_has_the_kubelets_lists() {
        for (own, masked, read_only) in [
            ("", 14, 5),
            ("procMount: Default", 14, 5),
            ("privileged: true", 0, 0),
            ("capabilities: {add: [ALL]}", 14, 5),
        ] {
            let resolved = resolved(&secured("", own), &world());
            let paths = &resolved.containers[0].confinement.paths;
            let GuardedPaths { masked: hidden, read_only: fixed } = &paths.value;
            assert_eq!((hidden.len(), fixed.len()), (masked, read_only), "{own}");
            assert_eq!(plan(paths).len(), masked + read_only, "{own}");
            assert_eq!(expect(paths).len(), masked + read_only, "{own}");
        }
    }

    #[test]
    fn a_path_in_both_lists_is_masked() {
        let path = "/proc/x".to_owned();
        let value = GuardedPaths { masked: vec![path.clone()], read_only: vec![path.clone()] };
        let paths = Sourced::default(value, "");
        assert_eq!(expect(&paths)[&path], Reading::Known(PathAccess::Masked));
        assert!(matches!(plan(&paths).last().unwrap().action, Action::Mask(_)));
    }
}
