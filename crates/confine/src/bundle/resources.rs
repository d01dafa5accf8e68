//! `linux.resources` and `linux.cgroupsPath` of a bundle.
//!
//! Memory, processes and CPU time become limits; a field of another kind is refused by name,
//! unless its value asks for nothing.

use stockade_spec::bundle as oci;

use super::{Desk, support::unsaid};
use crate::Sourced;
use crate::limits::Limits;

pub(super) fn limits(desk: &mut Desk<'_>) -> Sourced<Limits> {
    let Some(said) = &desk.linux.resources else { return unsaid(Limits::default()) };
    let oci::Resources {
        devices: _,
        memory,
        cpu,
        pids,
        block_io,
        hugepage_limits,
        network,
        rdma,
        unified,
    } = said;
    for (name, is_set) in [
        ("blockIO", block_io.as_ref().is_some_and(|it| *it != oci::BlockIo::default())),
        ("hugepageLimits", !hugepage_limits.is_empty()),
        ("network", network.as_ref().is_some_and(|it| *it != oci::Network::default())),
        ("rdma", !rdma.is_empty()),
        ("unified", !unified.is_empty()),
    ] {
        refuse(desk, name, is_set);
    }
    let mut limits = Limits::default();
    if let Some(oci::Pids { limit }) = pids {
        limits.pids = amount(desk, "pids.limit", Some(*limit));
    }
    if let Some(memory) = memory {
        limits.memory = memory_limit(desk, memory);
    }
    if let Some(cpu) = cpu {
        (limits.cpu_micros, limits.cpu_shares) = cpu_limits(desk, cpu);
    }
    if limits.is_unlimited() {
        return unsaid(limits);
    }
    Sourced::new(limits, desk.origin(FIELD))
}

fn refuse(desk: &mut Desk<'_>, name: &str, is_set: bool) {
    if is_set {
        let why = format!("`{name}` is not enforced by this build");
        desk.unenforced(&format!("{FIELD}.{name}"), why);
    }
}

/// -1 is without limit. 0 means that to some and "nothing at all" to others.
fn amount(desk: &mut Desk<'_>, name: &str, said: Option<i64>) -> Option<u64> {
    match said {
        None | Some(-1) => None,
        Some(number) => {
            let number = u64::try_from(number).ok().filter(|it| *it > 0);
            if number.is_none() {
                let why = "expected -1 (no limit) or a number from 1 on";
                desk.wrong(&format!("{FIELD}.{name}"), why);
            }
            number
        }
    }
}

fn memory_limit(desk: &mut Desk<'_>, said: &oci::Memory) -> Option<u64> {
    let oci::Memory {
        limit,
        reservation,
        swap,
        kernel,
        kernel_tcp,
        swappiness,
        disable_oom_killer,
        // What every kernel does by now.
        use_hierarchy: _,
        // Nothing is used yet.
        check_before_update: _,
    } = said;
    let limited = |it: &Option<i64>| it.is_some_and(|it| it != -1);
    refuse(desk, "memory.reservation", limited(reservation));
    refuse(desk, "memory.swap", limited(swap));
    refuse(desk, "memory.kernel", limited(kernel));
    refuse(desk, "memory.kernelTCP", limited(kernel_tcp));
    refuse(desk, "memory.swappiness", swappiness.is_some());
    refuse(desk, "memory.disableOOMKiller", *disable_oom_killer == Some(true));
    amount(desk, "memory.limit", *limit)
}

/// CPU time per second, and shares.
fn cpu_limits(desk: &mut Desk<'_>, said: &oci::Cpu) -> (Option<u64>, Option<u64>) {
    let oci::Cpu {
        shares,
        quota,
        burst,
        period,
        realtime_runtime,
        realtime_period,
        cpus,
        mems,
        idle,
    } = said;
    let named = |it: &Option<String>| it.as_ref().is_some_and(|it| !it.is_empty());
    refuse(desk, "cpu.burst", burst.is_some_and(|it| it != 0));
    refuse(desk, "cpu.realtimeRuntime", realtime_runtime.is_some_and(|it| it != 0));
    refuse(desk, "cpu.realtimePeriod", realtime_period.is_some_and(|it| it != 0));
    refuse(desk, "cpu.cpus", named(cpus));
    refuse(desk, "cpu.mems", named(mems));
    refuse(desk, "cpu.idle", idle.is_some_and(|it| it != 0));

    let shares = shares.filter(|it| *it != 0);
    if shares.is_some_and(|it| !(2..=262_144).contains(&it)) {
        desk.wrong(&format!("{FIELD}.cpu.shares"), "expected a number from 2 to 262144");
    }
    let period = period.filter(|it| *it != 0).unwrap_or(USUAL_PERIOD);
    if !(1000..=1_000_000).contains(&period) {
        let why = "expected a period from 1000 to 1000000 microseconds";
        desk.wrong(&format!("{FIELD}.cpu.period"), why);
        return (None, shares);
    }
    let quota = amount(desk, "cpu.quota", quota.filter(|it| *it != 0));
    if quota.is_some_and(|it| it < 1000) {
        let why = "the kernel takes no quota below 1000 microseconds";
        desk.wrong(&format!("{FIELD}.cpu.quota"), why);
    }
    (quota.map(|it| it.saturating_mul(1_000_000) / period), shares)
}

/// The cgroup's path below the mount point of each hierarchy.
pub(super) fn cgroup(desk: &mut Desk<'_>) -> Option<Sourced<String>> {
    let said = desk.linux.cgroups_path.as_ref().filter(|it| !it.is_empty())?;
    let origin = desk.origin(CGROUP);
    let path = said.trim_matches('/');
    let is_name = |it: &str| !matches!(it, "" | "." | "..");
    if !path.split('/').all(is_name) {
        // It would lead out of the hierarchy, or over somebody else's cgroup.
        desk.wrong(CGROUP, format!("{said:?} is not a path of names"));
    } else if !said.starts_with('/') && said.matches(':').count() == 2 {
        desk.unenforced(CGROUP, "a systemd unit is not made by this build; write a path");
    }
    Some(Sourced::new(path.to_owned(), origin))
}

const FIELD: &str = "linux.resources";
const CGROUP: &str = "linux.cgroupsPath";
/// The kernel's default, in microseconds.
const USUAL_PERIOD: u64 = 100_000;
