//! Writing the id maps of a user namespace: the host's side.

use rustix::fs::OFlags;
use rustix::process::Pid;
use stockade_abi::IdMap;
use stockade_confine::plan::SetGroups;
use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::proc::Proc;

/// Writes `setgroups` and both maps. Each can be written once, and whole.
pub(crate) fn write(proc: &Proc, pid: Pid, uids: &IdMap, gids: &IdMap, groups: SetGroups) -> Done {
    let pid = pid.as_raw_nonzero().get();
    match groups {
        // Before the group map, or an ordinary user's map is refused (CVE-2014-8989).
        SetGroups::Deny => write_file(proc, pid, "setgroups", "deny")?,
        SetGroups::Allow => {}
    }
    write_file(proc, pid, "uid_map", &lines(uids))?;
    write_file(proc, pid, "gid_map", &lines(gids))
}

fn lines(map: &IdMap) -> String {
    map.ranges().iter().map(|range| format!("{range}\n")).collect()
}

fn write_file(proc: &Proc, pid: i32, file: &str, text: &str) -> Done {
    if text.len() >= PAGE {
        return Err(Fault::told(format!("{file} would be longer than the kernel reads")));
    }
    let opened = proc.open_of(pid, file, OFlags::WRONLY)?;
    let written = rustix::io::write(opened, text.as_bytes()).call("write(id map)")?;
    if written == text.len() { Ok(()) } else { Err(Fault::told(format!("{file} was cut short"))) }
}

const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use stockade_abi::IdRange;

    use super::*;

    #[test]
    fn a_map_is_one_line_per_range() {
        let range = |a, b, c| IdRange::new(a, b, c).unwrap();
        let map = IdMap::new(vec![range(0, 100_000, 10), range(10, 5000, 1)]).unwrap();
        assert_eq!(lines(&map), "0 100000 10\n10 5000 1\n");
    }
}
