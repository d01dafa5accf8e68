//! Containers that outlive the command that makes them, one command at a time: what lies under
//! `stockade oci create`, `start`, `state`, `kill` and `delete`.
//!
//! Each container has a directory `<root>/<id>` with a record of what was made for it. The record
//! is there, complete, before the first thing it names (the directory appears under its name by one
//! rename, and of two commands that make the same container that rename has one winner), so that
//! whatever is killed whenever, [`delete`] knows what to remove. A process is named by number and
//! start time and acted on through a pidfd: a number that the kernel has given to another process
//! is never mistaken for ours.

mod id;
mod process;
mod record;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use stockade_abi::host::Cgroups;
use stockade_confine::plan::Plan;
use stockade_sys::Refused;
use thiserror::Error;

pub use id::{ContainerId, NotAnId};
pub use record::Record;
pub use store::Store;

use crate::apply::Created;
use crate::cgroup::{self, CgroupPath};
use crate::fault::StepFailed;
use crate::site::{Gate, Join, Known, Life, Site, Streams, Tie, remove_scratch};
use crate::started::{Held, NotStarted, give_word, give_word_and_hold};

/// What [`create`] makes.
#[derive(Debug)]
pub struct Making<'a> {
    /// Its name.
    pub id: ContainerId,
    /// Where its bundle is.
    pub bundle: PathBuf,
    /// Its configuration, kept as it is for whoever judges the container later.
    pub config: &'a str,
    /// Annotations, to be told by [`state`].
    pub annotations: BTreeMap<String, String>,
    /// Its steps.
    pub plan: &'a Plan,
    /// Its cgroup.
    pub cgroup: CgroupPath,
    /// Namespaces to join.
    pub join: Join,
    /// Its standard streams.
    pub streams: Streams,
}

/// A container that waits for [`start`].
#[derive(Debug)]
pub struct Made {
    /// Its process, in our PID namespace.
    pub pid: i32,
    /// The process, which is the caller's child.
    pub pidfd: Option<OwnedFd>,
    /// The other end of its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// What a container is like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
    /// What was written down about it.
    pub record: Record,
    /// What has become of it.
    pub status: Status,
}

/// What has become of a container.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is being made, or that was interrupted.
    Creating,
    /// It waits to be started.
    Created,
    /// Its program runs.
    Running,
    /// Its process has ended.
    Stopped,
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whom {
    /// The container's first process.
    First,
    /// Every process in its cgroup.
    All,
}

/// Whether a container may still be alive when it is deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Insistence {
    /// It must have ended.
    IfStopped,
    /// It is killed, and that there is nothing to delete is no error.
    Force,
}

/// Why a command on a container could not be done.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The name is taken.
    #[error("container `{0}` exists already")]
    Exists(ContainerId),
    /// There is none of that name.
    #[error("there is no container `{0}`")]
    Missing(ContainerId),
    /// It is not in the state that the command needs.
    #[error("container `{id}` is {is}")]
    Unfit {
        /// Which.
        id: ContainerId,
        /// What it is instead.
        is: Status,
    },
    /// Its record cannot be relied on.
    #[error("the record of container `{id}` is damaged: {why}")]
    Damaged {
        /// Which.
        id: ContainerId,
        /// In what way.
        why: String,
    },
    /// A step of its plan could not be done.
    #[error(transparent)]
    Step(#[from] StepFailed),
    /// It did not start.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// The kernel said no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The directory of containers cannot be used.
    #[error("{what}: {error}")]
    Files {
        /// What was attempted.
        what: String,
        /// What the system says.
        error: io::Error,
    },
}

/// Makes a container, up to its start, that outlives this process.
///
/// # Errors
///
/// [`BundleError::Exists`]; or the step that failed, and then nothing is left of it.
pub fn create(store: &Store, cgroups: &Cgroups, making: Making<'_>) -> Result<Made, BundleError> {
    let mut created = make(store, cgroups, making, Tie::Outlives)?;
    let terminal = created.take_terminal();
    Ok(Made { pid: created.pid(), terminal, pidfd: created.leave() })
}

/// Makes a container, up to its start, that this process stays with and starts itself: it dies with
/// this process. To other commands it is running. Whatever becomes of it, [`delete`] removes it.
///
/// # Errors
///
/// As [`create`].
pub fn attend(
    store: &Store,
    cgroups: &Cgroups,
    making: Making<'_>,
) -> Result<Created, BundleError> {
    make(store, cgroups, making, Tie::DiesWithUs)
}

fn make(
    store: &Store,
    cgroups: &Cgroups,
    making: Making<'_>,
    tie: Tie,
) -> Result<Created, BundleError> {
    let Making { id, bundle, config, annotations, plan, cgroup, join, streams } = making;
    let known = Known {
        id: id.as_str().to_owned(),
        bundle: bundle.clone(),
        annotations: annotations.clone(),
        life: Life::Made,
    };
    let intent = Record::intent(&id, bundle, annotations, cgroup.as_str());
    let claim = store.claim(&id, &intent, config)?;
    let site = Site {
        known,
        cgroups,
        cgroup,
        scratch: claim.scratch(),
        pod_files: None,
        join,
        streams,
        gate: match tie {
            Tie::Outlives => Gate::Socket(claim.gate()),
            Tie::DiesWithUs => Gate::Held,
        },
        tie,
    };
    let outcome = crate::create(plan, &site).map_err(BundleError::from).and_then(|created| {
        let pid = created.pid();
        let started = process::start_time(pid)?;
        // Dropped by an error, the process goes.
        claim.write(&intent.with_process(pid, started))?;
        Ok(created)
    });
    if outcome.is_err() {
        claim.remove()?;
    }
    outcome
}

/// Starts a container.
///
/// # Errors
///
/// [`BundleError::Unfit`] if it does not wait to be started; [`BundleError::NotStarted`] with the
/// step that failed: the container has stopped then.
pub fn start(store: &Store, id: &ContainerId) -> Result<(), BundleError> {
    let (claim, _, _) = waiting(store, id)?;
    let outcome = give_word(&claim.gate());
    // There is no second word: without a gate it is not waiting any more.
    claim.remove_gate()?;
    Ok(outcome?)
}

/// Starts a container and holds it at its first instruction, to be looked at.
///
/// # Errors
///
/// As [`start`]; and if we may not trace it.
pub fn start_held(store: &Store, id: &ContainerId) -> Result<Held, BundleError> {
    let (claim, pid, pidfd) = waiting(store, id)?;
    let outcome = give_word_and_hold(&claim.gate(), pid, pidfd);
    claim.remove_gate()?;
    Ok(outcome?)
}

/// A container that waits to be started, locked, and its process.
fn waiting(store: &Store, id: &ContainerId) -> Result<(store::Claim, Pid, OwnedFd), BundleError> {
    let claim = store.lock(id)?;
    let unfit = |is| BundleError::Unfit { id: id.clone(), is };
    let (record, is, pidfd) = look(&claim)?;
    match (is, record.pid.and_then(Pid::from_raw), pidfd) {
        (Status::Created, Some(pid), Some(pidfd)) => Ok((claim, pid, pidfd)),
        (is, _, _) => Err(unfit(is)),
    }
}

/// The configuration from which a container was made, as it was then.
///
/// # Errors
///
/// [`BundleError::Missing`]; [`BundleError::Damaged`] if it is not there.
pub fn config(store: &Store, id: &ContainerId) -> Result<String, BundleError> {
    store.look(id)?.read_config()
}

/// Tells what a container is like.
///
/// # Errors
///
/// [`BundleError::Missing`], [`BundleError::Damaged`].
pub fn state(store: &Store, id: &ContainerId) -> Result<State, BundleError> {
    let claim = store.look(id)?;
    let (record, status, _) = look(&claim)?;
    Ok(State { record, status })
}

/// Sends a signal.
///
/// # Errors
///
/// [`BundleError::Unfit`] if it has stopped.
pub fn kill(
    store: &Store,
    cgroups: &Cgroups,
    id: &ContainerId,
    signal: Signal,
    whom: Whom,
) -> Result<(), BundleError> {
    let claim = store.look(id)?;
    let (record, is, pidfd) = look(&claim)?;
    match whom {
        Whom::First => match pidfd {
            Some(pidfd) => Ok(process::signal(&pidfd, signal)?),
            None => Err(BundleError::Unfit { id: id.clone(), is }),
        },
        Whom::All => Ok(cgroup::signal_all(cgroups, &cgroup_of(id, &record)?, signal)?),
    }
}

/// Removes all that is left of a container.
///
/// # Errors
///
/// [`BundleError::Unfit`] if it has not stopped and nobody insists.
pub fn delete(
    store: &Store,
    cgroups: &Cgroups,
    id: &ContainerId,
    insistence: Insistence,
) -> Result<(), BundleError> {
    let claim = match (store.lock(id), insistence) {
        (Err(BundleError::Missing(_)), Insistence::Force) => return Ok(()),
        (claim, _) => claim?,
    };
    let (record, is, pidfd) = look(&claim)?;
    match (is, insistence) {
        (Status::Stopped, _) | (_, Insistence::Force) => {}
        (is, Insistence::IfStopped) => return Err(BundleError::Unfit { id: id.clone(), is }),
    }
    if let Some(pidfd) = pidfd {
        process::end(&pidfd, PATIENCE)?;
    }
    let cgroup = cgroup_of(id, &record)?;
    // Where none of its processes is left, that is all; the kernel keeps a cgroup that has any.
    match cgroup::remove(cgroups, &cgroup, Duration::ZERO) {
        Err(refused) if refused.errno == BUSY => {
            cgroup::kill_all(cgroups, &cgroup, PATIENCE)?;
            cgroup::remove(cgroups, &cgroup, PATIENCE)?;
        }
        removed => removed?,
    }
    let scratch = claim.scratch();
    remove_scratch(&scratch).map_err(|error| BundleError::Files {
        what: format!("remove {}", scratch.display()),
        error,
    })?;
    claim.remove()
}

/// What was written down about a container, what has become of it, and its process.
fn look(claim: &store::Claim) -> Result<(Record, Status, Option<OwnedFd>), BundleError> {
    let record = claim.read()?;
    let pidfd = process::open(&record)?;
    let status = match (record.pid, &pidfd) {
        (None, _) => Status::Creating,
        (Some(_), None) => Status::Stopped,
        (Some(_), Some(_)) if claim.has_gate() => Status::Created,
        (Some(_), Some(_)) => Status::Running,
    };
    Ok((record, status, pidfd))
}

fn cgroup_of(id: &ContainerId, record: &Record) -> Result<CgroupPath, BundleError> {
    record.cgroup.parse().map_err(|why: cgroup::NotACgroupPath| BundleError::Damaged {
        id: id.clone(),
        why: why.to_string(),
    })
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped => "stopped",
        })
    }
}

const BUSY: stockade_abi::Errno = stockade_abi::Errno(16);
const PATIENCE: Duration = Duration::from_secs(10);
