//! The end of a pod: everything that exists because of it goes, in an order in which a crash at any
//! point leaves what is needed to go on.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use stockade_abi::host::Cgroups;
use stockade_sys::Refused;
use thiserror::Error;

use super::directory::{PodDirectory, Vacancy};
use super::kept::Made;
use super::status::Status;
use crate::cgroup::{self, CgroupPath, NotACgroupPath};
use crate::remove::remove_tree;

/// How long a pod's containers get to end by themselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// As long as their manifest says; the supervisor keeps the time. This much at most.
    AsDeclared(Duration),
    /// Not at all.
    None,
}

/// Why a pod could not be removed. What is still there can be tried again.
#[derive(Debug, Error)]
pub enum EndError {
    /// A file or directory of the pod.
    #[error("the pod's directory: {0}")]
    Directory(#[from] io::Error),
    /// Its cgroup.
    #[error("the pod's cgroup: {0}")]
    Cgroup(#[from] Refused),
    /// Its record names no cgroup of ours.
    #[error("the pod's record is damaged: {0}")]
    Record(#[from] NotACgroupPath),
    /// The supervisor did not end.
    #[error("the pod's supervisor (process {0}) does not end")]
    Supervisor(i32),
}

/// Ends a pod and removes everything that it had.
///
/// # Errors
///
/// What could not be removed; calling again goes on from there.
pub fn end(pod: &PodDirectory, cgroups: &Cgroups, patience: Patience) -> Result<(), EndError> {
    let lock = stop_supervisor(pod, patience)?;
    if let Some(made) = pod.read::<Made>(Made::FILE)? {
        let path: CgroupPath = made.cgroup.parse()?;
        cgroup::kill_all(cgroups, &path, AT_MOST)?;
        cgroup::remove(cgroups, &path, AT_MOST)?;
        remove_tree(&made.scratch)?;
    }
    pod.remove()?;
    drop(lock);
    Ok(())
}

/// Returns the pod's lock when nobody else holds it.
fn stop_supervisor(pod: &PodDirectory, patience: Patience) -> Result<std::fs::File, EndError> {
    let until = Instant::now() + AT_MOST;
    let mut asked = false;
    loop {
        match pod.claim()? {
            Vacancy::Vacant(lock) => return Ok(lock),
            Vacancy::Supervised if asked && Instant::now() >= until => break,
            Vacancy::Supervised => {}
        }
        // The supervisor holds the lock from before it writes its status, so the number is its own.
        if !asked && let Some(status) = pod.read::<Status>("status.json")? {
            asked = true;
            let signal = match patience {
                Patience::AsDeclared(_) => Signal::TERM,
                Patience::None => Signal::USR1,
            };
            send(pod, status.supervisor, signal);
            if let Patience::AsDeclared(at_most) = patience {
                return wait_or_insist(pod, status.supervisor, at_most);
            }
        } else if !asked && Instant::now() >= until {
            return Err(EndError::Supervisor(0));
        }
        sleep(PAUSE);
    }
    let supervisor = pod.read::<Status>("status.json")?.map_or(0, |it| it.supervisor);
    insist(pod, supervisor)
}

fn wait_or_insist(
    pod: &PodDirectory,
    supervisor: i32,
    at_most: Duration,
) -> Result<std::fs::File, EndError> {
    let until = Instant::now() + at_most + AT_MOST;
    while Instant::now() < until {
        if let Vacancy::Vacant(lock) = pod.claim()? {
            return Ok(lock);
        }
        sleep(PAUSE);
    }
    insist(pod, supervisor)
}

/// Its containers die with it; what is left is removed by whoever calls.
fn insist(pod: &PodDirectory, supervisor: i32) -> Result<std::fs::File, EndError> {
    send(pod, supervisor, Signal::KILL);
    let until = Instant::now() + AT_MOST;
    while Instant::now() < until {
        if let Vacancy::Vacant(lock) = pod.claim()? {
            return Ok(lock);
        }
        sleep(PAUSE);
    }
    Err(EndError::Supervisor(supervisor))
}

/// That it is gone already is what is wanted. The lock is asked after the process is pinned: while
/// it is held, the number is the supervisor's and nobody else's.
fn send(pod: &PodDirectory, process: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process)
        && let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty())
        && matches!(pod.vacancy(), Ok(Vacancy::Supervised))
    {
        pidfd_send_signal(&pidfd, signal).ok();
    }
}

const AT_MOST: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
