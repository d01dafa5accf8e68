//! The process that is looked at, held so that it cannot be mistaken for another one.
//!
//! A process id is a number that the kernel gives out again. A pidfd and the descriptor of
//! `/proc/<pid>` both stay with the process they were opened for: below the latter every file
//! answers `ESRCH` once that process has gone, whoever has its number by then. It only has to be
//! made sure that the two were opened for the same process, and that it still lives at the end.
//!
//! Source: `pidfd_open(2)`, `proc(5)`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, readlinkat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};
use stockade_abi::Why;
use thiserror::Error;

use crate::file::{self, Failed, PROCFS, words};

/// There is no such process, or it ended while it was read.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("process {pid} does not exist any more")]
pub struct Gone {
    /// The number that was asked about.
    pub pid: u32,
}

/// Why a process cannot be held.
#[derive(Debug)]
pub(crate) enum NotHeld {
    /// It does not exist.
    Gone(Gone),
    /// It may exist, but nothing can be said about it.
    Unreadable(Why),
}

/// A process that is held by descriptors.
#[derive(Debug)]
pub(crate) struct Subject {
    pid: u32,
    pidfd: OwnedFd,
    dir: OwnedFd,
    procfs: OwnedFd,
}

impl Subject {
    /// Takes hold of a process.
    pub(crate) fn hold(pid: u32) -> Result<Self, NotHeld> {
        let gone = NotHeld::Gone(Gone { pid });
        let procfs = procfs().map_err(NotHeld::Unreadable)?;
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = match number.map(|it| pidfd_open(it, PidfdFlags::empty())) {
            None | Some(Err(Errno::SRCH)) => return Err(gone),
            Some(Err(errno)) => return Err(unreadable(format!("pidfd_open: {}", words(errno)))),
            Some(Ok(pidfd)) => pidfd,
        };
        let dir = match file::open_path(procfs.as_fd(), pid.to_string().as_bytes()) {
            Ok(dir) => dir,
            Err(_) if !lives(pidfd.as_fd()) => return Err(gone),
            Err(failed) if failed.is_absent() => {
                return Err(unreadable("procfs hides the process (hidepid)".to_owned()));
            }
            Err(failed) => return Err(unreadable(failed.to_string())),
        };
        // Alive now means that the number was not free for another process in between: `dir` is
        // the directory of the process that `pidfd` stands for.
        let subject = Self { pid, pidfd, dir, procfs };
        if subject.lives() { Ok(subject) } else { Err(gone) }
    }

    /// Whether it has not ended. An ended process is one whose every thread has ended, reaped or
    /// not.
    pub(crate) fn lives(&self) -> bool {
        lives(self.pidfd.as_fd())
    }

    /// The answer of whoever finds it ended.
    pub(crate) const fn gone(&self) -> Gone {
        Gone { pid: self.pid }
    }

    /// Its pidfd, to enter its namespaces.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Its directory in procfs.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The root of the observer's procfs.
    pub(crate) fn procfs(&self) -> BorrowedFd<'_> {
        self.procfs.as_fd()
    }

    /// Reads one of its text files.
    pub(crate) fn text(&self, name: &str, limit: usize) -> Result<String, Failed> {
        file::text(self.dir(), name.as_bytes(), limit)
    }

    /// Reads one of its files that may hold names of any bytes.
    pub(crate) fn bytes(&self, name: &str, limit: usize) -> Result<Vec<u8>, Failed> {
        file::read(self.dir(), name.as_bytes(), limit)
    }
}

/// Opens `/proc` and makes sure that it is the kernel's, and of our own PID namespace: in
/// another one, the same number is another process.
pub(crate) fn procfs() -> Result<OwnedFd, Why> {
    let procfs = file::open_path(CWD, b"/proc")?;
    match file::is_on(procfs.as_fd(), PROCFS) {
        Ok(true) => {}
        Ok(false) => return Err(Why("/proc is not procfs".to_owned())),
        Err(errno) => return Err(file::refused(b"/proc", errno).into()),
    }
    let ourselves = readlinkat(procfs.as_fd(), "self", Vec::new())
        .map_err(|it| Why::from(file::refused(b"/proc/self", it)))?;
    if ourselves.to_bytes() != getpid().as_raw_nonzero().to_string().as_bytes() {
        return Err(Why("/proc shows another PID namespace than ours".to_owned()));
    }
    Ok(procfs)
}

fn lives(pidfd: BorrowedFd<'_>) -> bool {
    let mut ended = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // A pidfd that cannot be polled counts as ended: no answer is better than a wrong one.
    matches!(retry_on_intr(|| poll(&mut ended, Some(&at_once))), Ok(0))
}

fn unreadable(why: String) -> NotHeld {
    NotHeld::Unreadable(Why(why))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn numbers_that_are_no_process_are_gone() {
        for pid in [0, u32::MAX, i32::MAX as u32] {
            assert!(
                matches!(Subject::hold(pid), Err(NotHeld::Gone(Gone { pid: it })) if it == pid)
            );
        }
    }

    #[test]
    fn an_ended_process_is_gone_even_before_it_is_reaped() {
        let mut child =
            Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let subject = Subject::hold(child.id()).unwrap();
        assert!(subject.lives());
        drop(child.stdin.take());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while subject.lives() {
            assert!(std::time::Instant::now() < deadline, "the process did not end");
            std::thread::yield_now();
        }
        assert!(matches!(Subject::hold(child.id()), Err(NotHeld::Gone(_))));
        assert!(child.wait().unwrap().success());
        let after = subject.text("status", file::SMALL).unwrap_err();
        assert_eq!(after.errno(), Some(Errno::SRCH));
    }
}
