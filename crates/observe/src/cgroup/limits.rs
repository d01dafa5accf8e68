//! What the process may use: the tightest limit on the way from its cgroup to the top.
//!
//! | controller | v1 | v2 |
//! |---|---|---|
//! | pids | `pids.max` | `pids.max` |
//! | memory | `memory.limit_in_bytes` | `memory.max` |
//! | cpu | `cpu.cfs_quota_us`, `cpu.cfs_period_us` | `cpu.max` |
//!
//! A file that is missing in a directory that is there (the root has few, and on v2 a controller
//! that is not enabled has none) limits nothing there.
//!
//! Source: `Documentation/admin-guide/cgroup-v2.rst`, `cgroup-v1/`.

use rustix::fs::CWD;
use stockade_abi::Why;
use stockade_abi::facts::LimitFacts;

use super::{Cgroups, Controller};
use crate::file::{self, SMALL};

/// Reads the limits.
pub(crate) fn limits(cgroups: &Cgroups) -> Result<LimitFacts, Why> {
    Ok(LimitFacts {
        pids: tightest(cgroups, "pids", pids, pids)?,
        memory: tightest(cgroups, "memory", memory_v1, memory_v2)?,
        cpu_micros: tightest(cgroups, "cpu", cpu_v1, cpu_v2)?,
    })
}

type Reader = fn(&[u8]) -> Result<Option<u64>, Why>;

fn tightest(cgroups: &Cgroups, name: &str, v1: Reader, v2: Reader) -> Result<Option<u64>, Why> {
    let (directory, read) = match cgroups.controller(name)? {
        Controller::V1(directory) => (directory, v1),
        Controller::V2(directory) => (directory, v2),
        Controller::Nowhere => return Ok(None),
    };
    let limits = directory.upwards().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(limits.into_iter().flatten().min())
}

fn pids(directory: &[u8]) -> Result<Option<u64>, Why> {
    value(directory, "pids.max", or_max)
}

fn memory_v1(directory: &[u8]) -> Result<Option<u64>, Why> {
    value(directory, "memory.limit_in_bytes", |text| {
        let bytes = text.parse::<u64>().ok()?;
        Some(Some(bytes).filter(|it| *it < V1_NO_MEMORY_LIMIT))
    })
}

fn memory_v2(directory: &[u8]) -> Result<Option<u64>, Why> {
    value(directory, "memory.max", or_max)
}

fn cpu_v1(directory: &[u8]) -> Result<Option<u64>, Why> {
    let quota = value(directory, "cpu.cfs_quota_us", |text| match text {
        "-1" => Some(None),
        _ => text.parse::<u64>().ok().map(Some),
    })?;
    let Some(quota) = quota else { return Ok(None) };
    let period = value(directory, "cpu.cfs_period_us", |text| text.parse::<u64>().ok().map(Some))?;
    let share = period.and_then(|period| per_second(quota, period));
    share.map(Some).ok_or_else(|| Why("cpu.cfs_period_us: no period".to_owned()))
}

fn cpu_v2(directory: &[u8]) -> Result<Option<u64>, Why> {
    value(directory, "cpu.max", cpu_max)
}

fn cpu_max(text: &str) -> Option<Option<u64>> {
    let (quota, period) = text.split_once(' ')?;
    let period = period.parse().ok()?;
    match quota {
        "max" => Some(None),
        _ => per_second(quota.parse().ok()?, period).map(Some),
    }
}

fn or_max(text: &str) -> Option<Option<u64>> {
    match text {
        "max" => Some(None),
        _ => text.parse().ok().map(Some),
    }
}

/// Microseconds of CPU time per second of wall time.
fn per_second(quota: u64, period: u64) -> Option<u64> {
    let share = (u128::from(quota) * 1_000_000).checked_div(u128::from(period))?;
    u64::try_from(share).ok()
}

fn value<T>(
    directory: &[u8],
    file: &str,
    parse: impl FnOnce(&str) -> Option<Option<T>>,
) -> Result<Option<T>, Why> {
    let path = [directory, b"/", file.as_bytes()].concat();
    match file::text(CWD, &path, SMALL) {
        Ok(text) => {
            let text = text.trim_end();
            parse(text).ok_or_else(|| Why(format!("{file}: `{}` is no limit", text.escape_debug())))
        }
        Err(failed) if failed.is_absent() => Ok(None),
        Err(failed) => Err(failed.into()),
    }
}

/// v1 shows "no limit" as the greatest `long`, rounded down to a page of at most 64 KiB.
const V1_NO_MEMORY_LIMIT: u64 = i64::MAX as u64 - 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_limits_are_shares_of_a_second() {
        for (text, expected) in [
            ("max 100000", Some(None)),
            ("50000 100000", Some(Some(500_000))),
            ("200000 100000", Some(Some(2_000_000))),
            ("1000 3000", Some(Some(333_333))),
            ("18446744073709551615 1", None),
            ("1000 0", None),
            ("1000", None),
            ("max", None),
            ("-1 100000", None),
        ] {
            assert_eq!(cpu_max(text), expected, "{text}");
        }
    }

    #[test]
    fn only_max_means_no_limit() {
        for (text, expected) in
            [("max", Some(None)), ("0", Some(Some(0))), ("", None), ("-1", None), ("maximum", None)]
        {
            assert_eq!(or_max(text), expected, "{text}");
        }
    }
}
