//! A child that does not outlive its parent.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{Calls, Refused};

/// Whether the parent was still there when the tie to it was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ParentIs {
    /// Its death will kill us.
    Alive,
    /// It died before; no signal will come.
    Gone,
}

/// Has the kernel kill this process when its parent dies.
///
/// `parent` is a pidfd that the parent opened of itself before the birth. The parent may die
/// between the birth and this call, and then the kernel sends nothing: a pidfd tells, whereas the
/// parent's number is 0 for a child in a new PID namespace, dead or alive.
///
/// The tie is to the *thread* that gave birth, and the kernel cuts it when ids or capabilities
/// change, and at the `execve` of a set-user-id program: make it again after the ids have changed.
///
/// # Errors
///
/// `EBADF`, `EINVAL`: `parent` is no pidfd.
///
/// # Kernel
///
/// `PR_SET_PDEATHSIG` of prctl(2); poll on a pidfd: Linux 5.3.
pub fn die_with_parent(parent: BorrowedFd<'_>) -> Result<ParentIs, Refused> {
    set_parent_process_death_signal(Some(Signal::KILL)).call("prctl(PR_SET_PDEATHSIG)")?;
    let mut parent = [PollFd::from_borrowed_fd(parent, PollFlags::IN)];
    let ready = poll(&mut parent, Some(&Timespec::default())).call("poll(pidfd)")?;
    Ok(if ready == 0 { ParentIs::Alive } else { ParentIs::Gone })
}
