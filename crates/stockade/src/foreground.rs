//! What a command does while a workload has its terminal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use stockade_confine::plan;
use stockade_confine::workload::Stdin;

use crate::answer::Failure;
use crate::prepare::Prepared;

/// Our terminal in raw mode, while a container's own terminal is connected to it. Dropped, it is as
/// it was.
#[derive(Debug)]
pub(crate) struct Terminal(Option<Termios>);

impl Terminal {
    /// Sets our terminal up if a container of the pod has one and reads from it.
    pub(crate) fn prepare(pod: &Prepared) -> Result<Self, Failure> {
        let wants = (pod.runnable.resolved().containers.iter()).any(|it| {
            it.workload.terminal == plan::Terminal::New && it.workload.stdin == Stdin::Open
        });
        if wants { Self::raw() } else { Ok(Self(None)) }
    }

    /// Sets our terminal up, if standard input is one.
    pub(crate) fn raw() -> Result<Self, Failure> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return Ok(Self(None));
        }
        let before = tcgetattr(&stdin).map_err(Failure::unanswered)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Flush, &raw).map_err(Failure::unanswered)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal may be gone; then there is nothing to restore.
            tcsetattr(io::stdin(), OptionalActions::Flush, before).ok();
        }
    }
}

/// Signals that are meant for a workload are not for us: they are held back while this lives.
#[derive(Debug)]
pub(crate) struct Forwarding {
    _watched: OwnedFd,
}

/// Holds back what a terminal or a caller sends to stop the pod. `SIGINT` of a terminal reaches the
/// supervisor by itself, which is in the same group; the others are passed on when they arrive.
pub(crate) fn forward_signals(supervisor: &Child) -> Result<Forwarding, Failure> {
    let pid = i32::try_from(supervisor.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::unanswered("the supervisor has no process id"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(Failure::unanswered)?;
    let watched = stockade_sys::signals::block_and_watch(&[Signal::INT, Signal::TERM, Signal::HUP])
        .map_err(Failure::unanswered)?;
    let reader = watched.as_fd().try_clone_to_owned().map_err(Failure::unanswered)?;
    std::thread::spawn(move || pass_on(&reader, &pidfd));
    Ok(Forwarding { _watched: watched })
}

fn pass_on(watched: &OwnedFd, supervisor: &OwnedFd) {
    use rustix::event::{PollFd, PollFlags, poll};
    loop {
        let mut fds = [PollFd::new(watched, PollFlags::IN), PollFd::new(supervisor, PollFlags::IN)];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        while let Ok(Some(arrived)) = stockade_sys::signals::read(watched) {
            // The kernel's own `SIGINT`, from a terminal, went to the supervisor as well.
            let by_terminal = arrived.signal == Signal::INT && arrived.code > 0;
            if !by_terminal {
                rustix::process::pidfd_send_signal(supervisor, Signal::TERM).ok();
            }
        }
    }
}
