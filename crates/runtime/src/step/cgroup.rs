//! Entering a cgroup, and seeing that one is there.

use rustix::fs::OFlags;
use stockade_abi::NamespaceSet;
use stockade_sys::Calls;

use crate::cgroup::{Cgroup, CgroupPath, Version};
use crate::fault::{Done, Fault};
use crate::proc::{self, Proc};

/// Where a process was born.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BornIn {
    /// In its parent's cgroups.
    Ours,
    /// In its cgroup of the unified hierarchy, and its parent's elsewhere.
    Unified,
    /// In its cgroup everywhere, which its parent has entered and verified.
    All,
}

/// Enters the cgroup in each hierarchy, then reads back where we are: limits that do not bind are
/// worse than none (CVE-2025-47291).
pub(crate) fn enter(proc: &Proc, cgroup: &Cgroup, path: &CgroupPath, born: BornIn) -> Done {
    if born == BornIn::All {
        return Ok(());
    }
    for place in cgroup.places() {
        if place.version == Version::V2 && born == BornIn::Unified {
            continue;
        }
        // 0 is whoever writes.
        rustix::io::write(&place.procs, b"0").call("write(cgroup.procs)")?;
    }

    let file = proc.open_own("cgroup", OFlags::RDONLY)?;
    let listing = proc::read_all(&file, 64 * 1024)?;
    let listing = String::from_utf8_lossy(&listing);
    match cgroup.places().iter().find(|it| !is_member(&listing, &it.controllers, path)) {
        None => Ok(()),
        Some(place) => Err(Fault::told(format!(
            "the process is not in {path} of {} although it has entered",
            place.mount
        ))),
    }
}

/// Makes a cgroup namespace whose root is where we are.
pub(crate) fn unshare_namespace() -> Done {
    let cgroup = NamespaceSet::EMPTY.with(stockade_abi::NamespaceKind::Cgroup);
    Ok(stockade_sys::process::unshare(cgroup)?)
}

/// Whether the line for these controllers (none: the unified hierarchy) says `path`. A hierarchy
/// that shows only a part of itself shows a longer path.
fn is_member(listing: &str, controllers: &[String], path: &CgroupPath) -> bool {
    listing.lines().any(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(names), Some(place)) = (fields.next(), fields.next()) else { return false };
        let is_ours = match controllers.first() {
            None => names.is_empty(),
            Some(first) => names.split(',').any(|name| name == first),
        };
        let above = place.strip_suffix(path.as_str());
        is_ours && above.is_some_and(|above| above.ends_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_is_read_per_hierarchy() {
        let listing = "9:name=systemd:/\n4:cpu,cpuacct:/stockade/pod/app\n3:pids:/stockade/pod\n\
                       0::/outer/stockade/pod/app\n";
        let path: CgroupPath = "stockade/pod/app".parse().unwrap();
        for (controllers, expected) in [
            (&[][..], true),
            (&["cpu"], true),
            (&["cpuacct"], true),
            (&["pids"], false),
            (&["memory"], false),
            (&["systemd"], false),
        ] {
            let controllers: Vec<String> = controllers.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(is_member(listing, &controllers, &path), expected, "{controllers:?}");
        }
        assert!(!is_member(listing, &[], &"ockade/pod/app".parse().unwrap()));
    }
}
