//! The supervisor of one pod.
//!
//! All containers are made and held at their first instruction, all are compared with what was
//! meant, and only if nothing is weaker is any of them let go: of a pod that does not hold, nothing
//! has run. From there on the supervisor waits: for what containers write, for their end, for
//! signals, and for the end of whoever watches.
//!
//! | signal | effect |
//! |---|---|
//! | `SIGTERM`, `SIGINT` | containers are asked to end and killed after their grace period |
//! | the same once more, `SIGUSR1`, the watcher's end | containers are killed |

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, getpid};
use stockade_abi::host::Privilege;
use stockade_abi::{Host, NamespaceKind, NamespaceSet};
use stockade_confine::workload::Stdin;
use stockade_confine::{Finding, RestartPolicy};
use stockade_sys::{process, signals};

use super::clock;
use super::directory::{PodDirectory, Vacancy};
use super::kept::Made;
use super::relay::Output;
use super::status::{Exit, Phase, Status};
use super::tasks::{Ground, Proven, Task};
use super::to_run::{NotStartedPod, PodToRun};
use super::volumes::make_volumes;
use crate::{Gate, Join, Known, Life, Site, Streams, Tie, cgroup, make_namespaces};

/// Whoever is told what happens.
pub trait Watcher {
    /// A container stands at its first instruction, and this is what the kernel says of it. It runs
    /// when this returns, or when all of its pod are let go.
    fn proven(&mut self, container: &str, pid: i32, findings: &[Finding]);
    /// All containers of the pod are proven; asked once, before any of them runs.
    fn may_run(&mut self) -> Permission;
    /// All containers run, and the pod's status says so.
    fn running(&mut self);
    /// A container has ended.
    fn ended(&mut self, ended: &Ended<'_>);
    /// A descriptor that hangs up when nobody listens any more; `None` if that does not matter.
    fn leash(&self) -> Option<BorrowedFd<'_>>;
}

/// Whether a proven pod is let go.
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
    /// The end of each container, in the manifest's order.
    pub exits: Vec<(String, Exit)>,
}

/// Starts a pod, proves it, and stays until it has ended.
///
/// The caller has one thread, and made the pod's directory with its record.
///
/// # Errors
///
/// Why it did not start.
pub fn supervise(
    pod: &PodToRun,
    directory: &PodDirectory,
    host: &Host,
    watcher: &mut dyn Watcher,
) -> Result<Ending, NotStartedPod> {
    let Vacancy::Vacant(_lock) = directory.vacancy()? else { return Err(NotStartedPod::Taken) };
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
    };
    let tasks: io::Result<Vec<Task<'_>>> =
        pod.containers.iter().map(|it| Task::new(it, directory)).collect();
    let mut supervisor =
        Supervisor { pod, ground, tasks: tasks?, watched, started_at, stopping: None };
    supervisor.write_status(Phase::Pending)?;
    supervisor.start_all(watcher)?;
    supervisor.write_status(Phase::Running)?;
    watcher.running();
    supervisor.wait(watcher)
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

struct Supervisor<'a> {
    pod: &'a PodToRun,
    ground: Ground<'a>,
    tasks: Vec<Task<'a>>,
    watched: OwnedFd,
    started_at: String,
    /// Until when containers may end by themselves.
    stopping: Option<Instant>,
}

impl Supervisor<'_> {
    fn start_all(&mut self, watcher: &mut dyn Watcher) -> Result<(), NotStartedPod> {
        let mut proven = Vec::new();
        for task in &mut self.tasks {
            match task.prove(&self.ground).and_then(|it| accept(it, task, self.pod)) {
                Ok(one) => proven.push(one),
                Err(why) => {
                    proven.into_iter().for_each(Proven::kill);
                    return Err(why);
                }
            }
        }
        for (task, proven) in self.tasks.iter().zip(&proven) {
            watcher.proven(&task.to_run.name, proven.pid(), &proven.findings);
        }
        if watcher.may_run() == Permission::Withheld {
            proven.into_iter().for_each(Proven::kill);
            return Err(NotStartedPod::Withheld);
        }
        for (task, proven) in self.tasks.iter_mut().zip(proven) {
            task.release(proven)?;
        }
        Ok(())
    }

    fn wait(mut self, watcher: &mut dyn Watcher) -> Result<Ending, NotStartedPod> {
        while self.is_alive() {
            self.poll(watcher)?;
            self.take_signals()?;
            if self.reap(watcher) {
                self.write_status(Phase::Running)?;
            }
            self.insist();
            self.start_again(watcher)?;
        }
        let exits: Vec<(String, Exit)> = (self.tasks.iter())
            .map(|it| (it.to_run.name.clone(), it.exit.unwrap_or(Exit::Unknown)))
            .collect();
        let all_well = exits.iter().all(|it| it.1 == Exit::Code(0));
        self.write_status(if all_well { Phase::Succeeded } else { Phase::Failed })?;
        Ok(Ending { exits })
    }

    fn is_alive(&self) -> bool {
        self.tasks.iter().any(|it| it.running.is_some() || it.again_at.is_some())
    }

    /// Waits until something happens, and relays what containers write.
    fn poll(&mut self, watcher: &dyn Watcher) -> Result<(), NotStartedPod> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.watched.as_fd(), PollFlags::IN)];
        let leash = watcher.leash();
        fds.extend(leash.map(|it| PollFd::from_borrowed_fd(it, PollFlags::empty())));
        let first_source = fds.len();
        let mut sources = Vec::new();
        for (task_index, task) in self.tasks.iter().enumerate() {
            for (index, source) in task.sources.iter().enumerate() {
                sources.push((task_index, index));
                fds.push(PollFd::from_borrowed_fd(source.fd(), PollFlags::IN));
            }
        }
        let keyboard = self.keyboard();
        let stdin = io::stdin();
        if keyboard.is_some() {
            fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        let timeout = self.timeout().map(|it| Timespec {
            tv_sec: i64::try_from(it.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: it.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let ready: Vec<bool> = fds.iter().map(|it| !it.revents().is_empty()).collect();
        drop(fds);

        let let_go = leash.is_some() && ready[1];
        // From the last, so that a source that ends does not move one that is still to be asked.
        for (position, (task, index)) in sources.iter().enumerate().rev() {
            if ready[first_source + position] {
                self.tasks[*task].relay(*index);
            }
        }
        if let Some(task) = keyboard
            && ready.last() == Some(&true)
        {
            self.type_into(task);
        }
        if let_go {
            self.kill_all();
        }
        Ok(())
    }

    /// The container whose terminal our own standard input goes to.
    fn keyboard(&self) -> Option<usize> {
        if self.pod.output == Output::Kept {
            return None;
        }
        self.tasks.iter().position(|it| it.terminal.is_some() && it.to_run.stdin == Stdin::Open)
    }

    fn type_into(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        let mut typed = [0_u8; 4096];
        let length = rustix::io::read(io::stdin(), &mut typed).unwrap_or(0);
        if length == 0 {
            task.terminal = None;
        } else if let Some(terminal) = &task.terminal {
            rustix::io::write(terminal, &typed[..length]).ok();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let again = self.tasks.iter().filter_map(|it| it.again_at);
        let next = again.chain(self.stopping).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn take_signals(&mut self) -> Result<(), NotStartedPod> {
        while let Some(arrived) = signals::read(&self.watched)? {
            match arrived.signal {
                Signal::TERM | Signal::INT if self.stopping.is_none() => self.stop(),
                Signal::TERM | Signal::INT | Signal::USR1 => self.kill_all(),
                Signal::WINCH => self.resize(),
                _ => {}
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.stopping = Some(Instant::now() + self.pod.grace);
        for task in &mut self.tasks {
            task.again_at = None;
            task.ask_to_end();
        }
    }

    fn kill_all(&mut self) {
        self.stopping = Some(Instant::now());
        for task in &mut self.tasks {
            task.again_at = None;
            task.kill();
        }
    }

    /// Kills what has not ended in its time.
    fn insist(&mut self) {
        if self.stopping.is_some_and(|until| Instant::now() >= until) {
            self.tasks.iter().for_each(Task::kill);
            self.stopping = Some(Instant::now() + RETRY);
        }
    }

    fn resize(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(io::stdin()) {
            for terminal in self.tasks.iter().filter_map(|it| it.terminal.as_ref()) {
                rustix::termios::tcsetwinsize(terminal, size).ok();
            }
        }
    }

    /// Returns whether anything has ended.
    fn reap(&mut self, watcher: &mut dyn Watcher) -> bool {
        let mut changed = false;
        for task in &mut self.tasks {
            let Some(exit) = task.reap(&self.ground) else { continue };
            changed = true;
            let again = self.stopping.is_none()
                && match self.pod.restart {
                    RestartPolicy::Always => true,
                    RestartPolicy::OnFailure => exit != Exit::Code(0),
                    RestartPolicy::Never => false,
                };
            if again {
                task.plan_restart();
            }
            watcher.ended(&Ended { container: &task.to_run.name, exit, again });
        }
        changed
    }

    fn start_again(&mut self, watcher: &mut dyn Watcher) -> Result<(), NotStartedPod> {
        let now = Instant::now();
        let mut changed = false;
        for task in &mut self.tasks {
            if task.again_at.is_none_or(|it| it > now) {
                continue;
            }
            changed = true;
            match task.prove(&self.ground).and_then(|it| accept(it, task, self.pod)) {
                Ok(proven) => {
                    watcher.proven(&task.to_run.name, proven.pid(), &proven.findings);
                    task.release(proven)?;
                }
                // What held once and does not any more may hold again: the profile is loaded again,
                // the disk has room. It is not started without.
                Err(_) => task.plan_restart(),
            }
        }
        if changed {
            self.write_status(Phase::Running)?;
        }
        Ok(())
    }

    fn write_status(&self, phase: Phase) -> io::Result<()> {
        let status = Status {
            version: Status::VERSION,
            phase,
            supervisor: Pid::as_raw(Some(getpid())),
            started_at: self.started_at.clone(),
            message: None,
            containers: self.tasks.iter().map(Task::status).collect(),
        };
        self.ground.directory.write("status.json", &status)
    }
}

fn accept(proven: Proven, task: &Task<'_>, pod: &PodToRun) -> Result<Proven, NotStartedPod> {
    let objections = proven.objections(pod);
    if objections.is_empty() {
        return Ok(proven);
    }
    let findings = proven.findings.clone();
    proven.kill();
    Err(NotStartedPod::NotProven(task.to_run.name.clone(), findings))
}

const RETRY: Duration = Duration::from_secs(1);
