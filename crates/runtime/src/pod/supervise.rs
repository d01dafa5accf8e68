//! The supervisor of one pod.
//!
//! Containers have their turns: each init container alone, then all others together. Those whose
//! turn it is are made and held at their first instruction, compared with what was meant, and only
//! if nothing is weaker is any of them let go; else the pod is killed. In between and from there on
//! the supervisor waits: for what containers write, for their end, for signals, and for the end of
//! whoever watches.
//!
//! | signal | effect |
//! |---|---|
//! | `SIGTERM`, `SIGINT` | containers are asked to end and killed after their grace period |
//! | the same once more, `SIGUSR1`, the watcher's end | containers are killed |

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, getpid};
use stockade_abi::host::Privilege;
use stockade_abi::{Host, NamespaceKind, NamespaceSet};
use stockade_confine::{Finding, Next, Turn};
use stockade_sys::{process, signals};

use super::clock;
use super::directory::{PodDirectory, Vacancy};
use super::kept::Made;
use super::status::{Exit, Phase, Status};
use super::stopping::Stopping;
use super::tasks::{Ground, Task};
use super::to_run::{NotStartedPod, PodToRun};
use super::volumes::make_volumes;
use crate::{Gate, Join, Known, Life, Site, Streams, Tie, cgroup, make_namespaces};

/// Whoever is told what happens.
pub trait Watcher {
    /// A container stands at its first instruction, and this is what the kernel says of it. It runs
    /// when this returns, or when all whose turn it is are let go.
    fn proven(&mut self, container: &str, pid: i32, findings: &[Finding]);
    /// All whose turn it is are proven; asked once in each turn, before any of them runs.
    ///
    /// # Errors
    ///
    /// If that cannot be written down.
    fn may_run(&mut self) -> io::Result<Permission>;
    /// What has the first turn runs, and the pod's status says so.
    fn running(&mut self);
    /// A container has ended.
    fn ended(&mut self, ended: &Ended<'_>);
    /// A descriptor that hangs up when nobody listens any more; `None` if that does not matter.
    fn leash(&self) -> Option<BorrowedFd<'_>>;
}

/// Whether proven containers are let go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission {
    /// It is.
    Given,
    /// Whoever asked for it has gone.
    Withheld,
}

/// A container that has ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// Its name in the manifest.
    pub container: &'a str,
    /// How.
    pub exit: Exit,
    /// Whether it starts again.
    pub again: bool,
}

/// How a pod ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// The end of each container that is no sidecar: init containers first, each list in the
    /// manifest's order. Of one that had no turn it is unknown.
    pub exits: Vec<(String, Exit)>,
}

/// Starts a pod, proves it, and stays until it has ended.
///
/// The caller has one thread, and made the pod's directory with its record.
///
/// # Errors
///
/// Why it did not start, or not all of it. Nothing of it runs.
pub fn supervise(
    pod: &PodToRun,
    directory: &PodDirectory,
    host: &Host,
    watcher: &mut dyn Watcher,
) -> Result<Ending, NotStartedPod> {
    let Vacancy::Vacant(_lock) = directory.claim()? else { return Err(NotStartedPod::Taken) };
    let watched = signals::block_and_watch(&[
        Signal::CHILD,
        Signal::TERM,
        Signal::INT,
        Signal::USR1,
        Signal::WINCH,
        Signal::PIPE,
    ])?;
    let made = Made {
        version: Made::VERSION,
        cgroup: pod.cgroup.to_string(),
        scratch: pod.scratch.clone(),
    };
    directory.write(Made::FILE, &made)?;
    own_mounts(directory, host)?;
    if !pod.limits.is_unlimited() {
        // Before any container: each is made in it.
        cgroup::make(&host.cgroups, &pod.cgroup, &pod.limits, None)
            .map_err(|fault| NotStartedPod::Cgroup(Box::new(fault.into())))?;
    }

    let volumes = make_volumes(
        &pod.volumes,
        &directory.join("volumes"),
        &made_scratch(pod)?,
        &host.privilege,
    )
    .map_err(Box::new)?;

    let started_at = clock::now();
    let namespaces = match &pod.plan {
        None => None,
        Some(plan) => Some(
            make_namespaces(plan, &pod_site(pod, host))
                .map_err(|it| NotStartedPod::Pod(Box::new(it)))?,
        ),
    };
    let ground = Ground {
        host,
        directory,
        cgroup: &pod.cgroup,
        scratch: &pod.scratch,
        namespaces: namespaces.as_ref(),
        volumes: &volumes,
        output: pod.output,
        pod,
    };
    let tasks: io::Result<Vec<Task<'_>>> =
        pod.containers.iter().map(|it| Task::new(it, directory)).collect();
    let mut supervisor =
        Supervisor { pod, ground, tasks: tasks?, begun: 0, watched, started_at, stopping: None };
    supervisor.write_status(Phase::Pending, None)?;
    supervisor.take_turn(watcher)?;
    supervisor.write_status(supervisor.phase(), None)?;
    watcher.running();
    supervisor.stay(watcher)
}

/// Where the containers' own directories and the volumes on disk go; named in the journal by now.
fn made_scratch(pod: &PodToRun) -> io::Result<PathBuf> {
    DirBuilder::new().mode(0o700).recursive(true).create(&pod.scratch)?;
    Ok(pod.scratch.clone())
}

/// The supervisor's mounts are its own, and go with it.
fn own_mounts(directory: &PodDirectory, host: &Host) -> Result<(), NotStartedPod> {
    if matches!(host.privilege, Privilege::User { .. }) {
        return Ok(());
    }
    process::unshare(NamespaceSet::EMPTY.with(NamespaceKind::Mount))?;
    let from_host = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", from_host).map_err(io::Error::from)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = c"mode=1777,size=65536k";
    mount("shm", directory.join("shm"), "tmpfs", flags, options).map_err(io::Error::from)?;
    Ok(())
}

fn pod_site<'a>(pod: &PodToRun, host: &'a Host) -> Site<'a> {
    Site {
        cgroups: &host.cgroups,
        cgroup: pod.cgroup.clone(),
        scratch: pod.scratch.clone(),
        pod_files: None,
        join: Join::Nothing,
        streams: Streams::Inherited,
        tie: Tie::DiesWithUs,
        gate: Gate::Held,
        known: Known {
            id: "pod".to_owned(),
            bundle: pod.scratch.clone(),
            annotations: BTreeMap::new(),
            life: Life::Made,
        },
    }
}

pub(super) struct Supervisor<'a> {
    pub(super) pod: &'a PodToRun,
    pub(super) ground: Ground<'a>,
    pub(super) tasks: Vec<Task<'a>>,
    /// How many of the tasks have had their turn.
    pub(super) begun: usize,
    pub(super) watched: OwnedFd,
    pub(super) stopping: Option<Stopping>,
    started_at: String,
}

impl Supervisor<'_> {
    fn stay(mut self, watcher: &mut dyn Watcher) -> Result<Ending, NotStartedPod> {
        if let Err(why) = self.attend(watcher) {
            self.kill_and_wait();
            self.write_status(Phase::Failed, Some(why.to_string()))?;
            return Err(why);
        }
        let exits: Vec<(String, Exit)> = (self.tasks.iter())
            .filter(|it| it.to_run.turn != Turn::Sidecar)
            .map(|it| (it.to_run.name.clone(), it.exit.unwrap_or(Exit::Unknown)))
            .collect();
        let all_well = exits.iter().all(|it| it.1 == Exit::Code(0));
        self.write_status(if all_well { Phase::Succeeded } else { Phase::Failed }, None)?;
        Ok(Ending { exits })
    }

    /// Until nothing runs and nothing will.
    fn attend(&mut self, watcher: &mut dyn Watcher) -> Result<(), NotStartedPod> {
        loop {
            self.take_turns(watcher)?;
            if self.only_sidecars_are_left() {
                self.stop_sidecars();
            }
            if !self.tasks.iter().any(Task::is_alive) {
                return Ok(());
            }
            self.wait_for_something(watcher)?;
            self.take_signals()?;
            if self.reap(watcher) | self.tend() {
                self.write_status(self.phase(), None)?;
            }
            self.go_on_stopping();
            self.start_again(watcher)?;
        }
    }

    /// Returns whether anything has ended.
    fn reap(&mut self, watcher: &mut dyn Watcher) -> bool {
        let mut changed = false;
        for task in &mut self.tasks {
            let Some(exit) = task.reap(&self.ground) else { continue };
            changed = true;
            let again = self.stopping.is_none()
                && task.to_run.restart.after(exit.shell_code()) == Next::Again;
            if again {
                task.plan_restart();
            }
            watcher.ended(&Ended { container: &task.to_run.name, exit, again });
        }
        changed
    }

    /// Returns whether the condition of any container has changed.
    fn tend(&mut self) -> bool {
        self.tasks.iter_mut().map(|it| it.tend(&self.ground)).fold(false, |a, b| a | b)
    }

    /// While something of the pod runs or will.
    pub(super) fn phase(&self) -> Phase {
        if self.begun == self.tasks.len() { Phase::Running } else { Phase::Pending }
    }

    pub(super) fn write_status(&self, phase: Phase, message: Option<String>) -> io::Result<()> {
        let has_init = self.tasks.iter().any(|it| it.to_run.turn != Turn::Regular);
        let waiting = if has_init { "PodInitializing" } else { "ContainerCreating" };
        let status = Status {
            version: Status::VERSION,
            phase,
            supervisor: Pid::as_raw(Some(getpid())),
            started_at: self.started_at.clone(),
            message,
            containers: self.tasks.iter().map(|it| it.status(waiting)).collect(),
        };
        self.ground.directory.write("status.json", &status)
    }
}
