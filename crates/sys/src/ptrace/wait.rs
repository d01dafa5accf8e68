//! Waiting for a process to stop or end, with a deadline.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, waitid,
};
use stockade_abi::Errno;

use super::request::{Request, request};
use super::{ChildOf, Seized};
use crate::signals::{Mask, Taken};
use crate::{Calls, Refused};

/// Where a process is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    Exec,
    Interrupt,
    /// The stop signal that a process sends to itself when it offers itself.
    Offer,
}

/// What waiting came to.
pub(super) enum Event {
    Stopped,
    Ended(WaitIdStatus),
    TimedOut,
}

/// Waits without a busy loop, a second thread or an alarm, and takes nobody else's status.
///
/// waitid(2) has no deadline and a pidfd does not tell of stops, but the kernel announces stops and
/// ends with `SIGCHLD`. So that is blocked and, while there is nothing to report, waited for with a
/// deadline, which wakes at once. One that is taken may have been about another child: it is sent
/// again at the end, which is as good, as signals of one kind are merged. In a process with other
/// threads or with `SA_NOCLDSTOP` it may not reach us, so we look again every few milliseconds.
pub(super) fn await_event(
    seized: &Seized,
    stop: Stop,
    at_most: Duration,
) -> Result<Event, Refused> {
    let start = Instant::now();
    let sigchld = Mask::of(&[Signal::CHILD]);
    let before = sigchld.block()?;
    let mut taken = Taken::Nothing;

    let event = loop {
        match look(seized, stop) {
            Ok(None) => {}
            Ok(Some(event)) => break Ok(event),
            Err(refused) => break Err(refused),
        }
        let left = at_most.saturating_sub(start.elapsed());
        if left.is_zero() {
            break Ok(Event::TimedOut);
        }
        match sigchld.wait(left.min(LOOK_AGAIN)) {
            Ok(Taken::Signal) => taken = Taken::Signal,
            Ok(Taken::Nothing) => {}
            Err(refused) => break Err(refused),
        }
    };

    if taken == Taken::Signal {
        kill_process(getpid(), Signal::CHILD).call("kill(SIGCHLD)")?;
    }
    before.set()?;
    event
}

/// Takes the stops that are there, and lets the process go on from those that are not `wanted`.
fn look(seized: &Seized, wanted: Stop) -> Result<Option<Event>, Refused> {
    let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WALL;
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WALL;
    let next = |options| waitid(WaitId::PidFd(seized.pidfd.as_fd()), options).call("waitid");

    while let Some(status) = next(stopped | ended | WaitIdOptions::NOWAIT)? {
        let Some(trap) = status.trapping_signal() else {
            match seized.child_of {
                // Its end is for whoever reaps our children.
                ChildOf::Us => {}
                // Its parent hears of it when we have.
                ChildOf::Another => drop(next(ended)?),
            }
            return Ok(Some(Event::Ended(status)));
        };
        next(stopped)?;

        let (event, signal) = (trap >> 8, trap & 0xff);
        match (event, wanted) {
            (EVENT_EXEC, Stop::Exec) | (EVENT_STOP, Stop::Interrupt) => {
                return Ok(Some(Event::Stopped));
            }
            (0, Stop::Offer) if signal == libc::SIGSTOP => {
                return Ok(Some(Event::Stopped));
            }
            // Stopped by job control: it stands still until SIGCONT, which is another stop.
            (EVENT_STOP, Stop::Exec) if signal != libc::SIGTRAP => {
                tolerate_death(request(Request::Listen, seized.pid, 0))?;
            }
            // About to receive a signal: it does, as if we were not there.
            (0, _) => resume(seized.pid, signal)?,
            _ => resume(seized.pid, 0)?,
        }
    }
    Ok(None)
}

fn resume(pid: Pid, signal: i32) -> Result<(), Refused> {
    tolerate_death(request(Request::Cont, pid, signal.into()))
}

/// A process can be killed while it stands still. Waiting for it tells how it ended.
fn tolerate_death(result: Result<(), Refused>) -> Result<(), Refused> {
    match result {
        Err(refused) if refused.errno == GONE => Ok(()),
        Ok(()) | Err(_) => result,
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// `__WALL`: whatever signal it announces its end with.
pub(super) const WALL: WaitIdOptions = WaitIdOptions::from_bits_retain(0x4000_0000);
/// What requests to a process that has ended are answered with.
pub(super) const GONE: Errno = Errno(libc::ESRCH as u16);
const EVENT_EXEC: i32 = 4;
const EVENT_STOP: i32 = 128;
