//! Limits as the files of the controllers take them.

use stockade_confine::limits::Limits;

use super::hierarchy::Version;

/// A file of a controller and what is written to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Setting {
    pub(crate) controller: &'static str,
    pub(crate) file: &'static str,
    pub(crate) value: String,
}

/// The controllers that `limits` needs.
pub(crate) fn controllers(limits: &Limits) -> Vec<&'static str> {
    let Limits { pids, memory, cpu_micros, cpu_shares } = limits;
    let asked = [
        ("pids", pids.is_some()),
        ("memory", memory.is_some()),
        ("cpu", cpu_micros.is_some() || cpu_shares.is_some()),
    ];
    asked.into_iter().filter_map(|(controller, is_asked)| is_asked.then_some(controller)).collect()
}

/// What to write, in order.
pub(crate) fn settings(limits: &Limits, version: Version) -> Vec<Setting> {
    let Limits { pids, memory, cpu_micros, cpu_shares } = *limits;
    let setting = |controller, file, value| Some(Setting { controller, file, value });
    let all = match version {
        Version::V1 => [
            pids.and_then(|it| setting("pids", "pids.max", it.to_string())),
            memory.and_then(|it| setting("memory", "memory.limit_in_bytes", it.to_string())),
            cpu_micros.and_then(|_| setting("cpu", "cpu.cfs_period_us", PERIOD_MICROS.to_string())),
            cpu_micros
                .and_then(|it| setting("cpu", "cpu.cfs_quota_us", quota_micros(it).to_string())),
            cpu_shares.and_then(|it| setting("cpu", "cpu.shares", it.to_string())),
        ],
        Version::V2 => [
            pids.and_then(|it| setting("pids", "pids.max", it.to_string())),
            memory.and_then(|it| setting("memory", "memory.max", it.to_string())),
            cpu_micros.and_then(|it| {
                setting("cpu", "cpu.max", format!("{} {PERIOD_MICROS}", quota_micros(it)))
            }),
            cpu_shares.and_then(|it| setting("cpu", "cpu.weight", weight(it).to_string())),
            None,
        ],
    };
    all.into_iter().flatten().collect()
}

/// The part of a period for so many microseconds per second. The kernel takes a millisecond at
/// least.
const fn quota_micros(micros_per_second: u64) -> u64 {
    let quota = micros_per_second.saturating_mul(PERIOD_MICROS) / 1_000_000;
    if quota < 1000 { 1000 } else { quota }
}

/// The weight for a v1 share, as the kernel's own documentation and every runtime converts it: 2 to
/// 262,144 becomes 1 to 10,000.
const fn weight(shares: u64) -> u64 {
    let shares = if shares < 2 { 2 } else { shares };
    let shares = if shares > 262_144 { 262_144 } else { shares };
    1 + (shares - 2) * 9999 / 262_142
}

const PERIOD_MICROS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_as_files() {
        let limits = Limits {
            pids: Some(64),
            memory: Some(1 << 27),
            cpu_micros: Some(500_000),
            cpu_shares: Some(1024),
        };
        let said = |version| {
            let all = settings(&limits, version);
            all.into_iter().map(|it| format!("{}={}", it.file, it.value)).collect::<Vec<_>>()
        };
        assert_eq!(
            said(Version::V1),
            [
                "pids.max=64",
                "memory.limit_in_bytes=134217728",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "cpu.shares=1024",
            ]
        );
        assert_eq!(
            said(Version::V2),
            ["pids.max=64", "memory.max=134217728", "cpu.max=50000 100000", "cpu.weight=39"]
        );
        assert_eq!(controllers(&limits), ["pids", "memory", "cpu"]);
        assert_eq!(settings(&Limits::default(), Version::V2), []);
    }

    #[test]
    fn values_stay_in_the_kernels_range() {
        for (micros, expected) in
            [(1, 1000), (10_000, 1000), (20_000, 2000), (u64::MAX, u64::MAX / 1_000_000)]
        {
            assert_eq!(quota_micros(micros), expected, "{micros}");
        }
        for (shares, expected) in [(0, 1), (2, 1), (262_144, 10_000), (u64::MAX, 10_000)] {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }
}
