//! The process of a container, safe against the reuse of its number.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use stockade_sys::{Calls, Refused};

use super::{BundleError, Record};
use crate::channel::readable_within;
use crate::fault::Fault;
use crate::proc::{Proc, read_all};

/// When a process began, in clock ticks since the machine did.
pub(super) fn start_time(pid: i32) -> Result<u64, BundleError> {
    let about = |fault: Fault| BundleError::Files {
        what: format!("read /proc/{pid}/stat"),
        error: std::io::Error::other(fault.to_string()),
    };
    let read = || -> Result<Option<u64>, Fault> {
        let file = Proc::open()?.open_of(pid, "stat", OFlags::RDONLY)?;
        Ok(start_field(&String::from_utf8_lossy(&read_all(&file, 4096)?)))
    };
    read().map_err(about)?.ok_or_else(|| about(Fault::told("it has no start time")))
}

/// Opens the recorded process; `None` if it has ended.
pub(super) fn open(record: &Record) -> Result<Option<OwnedFd>, BundleError> {
    let (Some(pid), Some(start)) = (record.pid.and_then(Pid::from_raw), record.start_ticks) else {
        return Ok(None);
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        // EINVAL: the number is a thread's by now.
        Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
        result => result.call("pidfd_open")?,
    };
    // A process that has ended is none, even before its parent has taken its status.
    if has_ended(&pidfd)? {
        return Ok(None);
    }
    // Read after the pidfd was opened, and it has not ended since: it is that process's.
    let found = match start_time(pid.as_raw_nonzero().get()) {
        Err(_) if has_ended(&pidfd)? => return Ok(None),
        found => found?,
    };
    Ok((found == start && !has_ended(&pidfd)?).then_some(pidfd))
}

/// Sends a signal; that the process has ended meanwhile is no error.
pub(super) fn signal(pidfd: &OwnedFd, signal: Signal) -> Result<(), Refused> {
    match pidfd_send_signal(pidfd, signal) {
        Err(Errno::SRCH) => Ok(()),
        result => result.call("pidfd_send_signal"),
    }
}

/// Kills a process and waits for its end.
pub(super) fn end(pidfd: &OwnedFd, at_most: Duration) -> Result<(), Refused> {
    signal(pidfd, Signal::KILL)?;
    if readable_within(pidfd.as_fd(), at_most)? {
        Ok(())
    } else {
        Err(Refused::from_rustix("kill (the process remains)", Errno::BUSY))
    }
}

fn has_ended(pidfd: &OwnedFd) -> Result<bool, Refused> {
    readable_within(pidfd.as_fd(), Duration::ZERO)
}

/// Field 22. The second is the program's name, which may have anything in it, even parentheses.
fn start_field(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        for name in ["sh", "a b", ") S 1 (", "(((", ""] {
            assert_eq!(start_field(&format!("42 ({name}) {rest}")), Some(4711), "{name}");
        }
        assert_eq!(start_field("42 (sh) S 1"), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).unwrap() > 0);
    }
}
