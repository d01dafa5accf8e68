//! One container of a pod, from its plan to its end.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid,
};
use stockade_abi::Host;
use stockade_confine::Turn;
use stockade_confine::plan::{Plan, Terminal};
use stockade_confine::workload::Stdin;

use super::asked::Asked;
use super::health::{Doing, Health, Verdict};
use super::proven::{Proven, examine};
use super::relay::{Flow, Log, Output, Source, Stream};
use super::status::{Condition, ContainerState, ContainerStatus, Exit};
use super::to_run::{ContainerToRun, NotStartedPod, PodToRun};
use super::{PodDirectory, clock};
use crate::cgroup::{self, CgroupPath};
use crate::{
    Created, Gate, Join, Life, PodFiles, PodNamespaces, Running, Site, Streams, Tie, VolumeRoot,
    create,
};

/// Where a pod's containers are made.
pub(crate) struct Ground<'a> {
    pub(crate) host: &'a Host,
    pub(crate) directory: &'a PodDirectory,
    pub(crate) cgroup: &'a CgroupPath,
    pub(crate) scratch: &'a Path,
    pub(crate) namespaces: Option<&'a PodNamespaces>,
    pub(crate) volumes: &'a BTreeMap<String, VolumeRoot>,
    pub(crate) output: Output,
    pub(crate) pod: &'a PodToRun,
}

/// A container and what it does now.
pub(crate) struct Task<'a> {
    pub(crate) to_run: &'a ContainerToRun,
    pub(crate) running: Option<Running>,
    pub(crate) exit: Option<Exit>,
    pub(crate) again_at: Option<Instant>,
    pub(crate) sources: Vec<Source>,
    pub(crate) terminal: Option<OwnedFd>,
    since: Instant,
    started_at: String,
    ended_at: String,
    restarts: u32,
    log: Log,
    /// Keeps a pipe open that is a container's standard input and has no other writer.
    kept_open: Option<OwnedFd>,
    health: Option<Health<'a>>,
    ending: Ending,
    /// Whether the next may have its turn, if this is a sidecar.
    has_begun: bool,
}

/// How a container that runs is being ended.
enum Ending {
    /// It is not.
    No,
    /// What is run before it is asked.
    Hook { doing: Doing, kill_at: Instant },
    /// It was asked.
    Asked { kill_at: Instant, not_before: Instant },
}

impl<'a> Task<'a> {
    pub(crate) fn new(to_run: &'a ContainerToRun, directory: &PodDirectory) -> io::Result<Self> {
        Ok(Self {
            to_run,
            running: None,
            exit: None,
            again_at: None,
            sources: Vec::new(),
            terminal: None,
            since: Instant::now(),
            started_at: String::new(),
            ended_at: String::new(),
            restarts: 0,
            log: Log::open(&directory.join("logs").join(&to_run.name))?,
            kept_open: None,
            health: None,
            ending: Ending::No,
            has_begun: false,
        })
    }

    /// Makes the container, holds it at its first instruction and reads it. Nothing of it has run.
    pub(crate) fn prove(&mut self, ground: &Ground<'_>) -> Result<Proven, NotStartedPod> {
        let name = self.to_run.name.clone();
        let input = |error: io::Error| NotStartedPod::Files(name.clone(), error);
        let mut created = self.create(ground).map_err(|why| why.of(&name))?;
        if let Some(terminal) = created.take_terminal() {
            let copy = terminal.try_clone().map_err(input)?;
            self.sources.push(Source::new(copy, Stream::Out, ground.output, &name));
            self.terminal = Some(terminal);
        }
        examine(created, self.to_run, ground.volumes)
    }

    fn create(&mut self, ground: &Ground<'_>) -> Result<Created, Trouble> {
        let name = &self.to_run.name;
        let scratch = ground.scratch.join(name);
        // What an earlier run of the container wrote is gone, as in a cluster.
        crate::remove_scratch(&scratch)?;
        DirBuilder::new().mode(0o700).recursive(true).create(&scratch)?;
        let etc = ground.directory.join("etc");
        let site = Site {
            cgroups: &ground.host.cgroups,
            cgroup: ground.cgroup.child(name).map_err(io::Error::other)?,
            scratch,
            pod_files: Some(PodFiles {
                hosts: etc.join("hosts"),
                hostname: etc.join("hostname"),
                resolv_conf: etc.join("resolv.conf"),
                shared_memory: ground.directory.join("shm"),
                volumes: ground.volumes.clone(),
            }),
            join: ground.namespaces.map_or(Ok(Join::Nothing), PodNamespaces::to_join)?,
            streams: self.streams(ground.output)?,
            tie: Tie::DiesWithUs,
            gate: Gate::Held,
            known: ground.directory.known(name, Life::Made),
        };
        create(&self.to_run.plan, &site).map_err(|failed| Trouble::Step(Box::new(failed)))
    }

    fn streams(&mut self, output: Output) -> io::Result<Streams> {
        self.sources.clear();
        self.kept_open = None;
        if self.to_run.terminal == Terminal::New {
            return Ok(Streams::Inherited);
        }
        let input = match (self.to_run.stdin, output) {
            (Stdin::Null, _) => File::open("/dev/null")?.into(),
            (Stdin::Open, Output::Shown | Output::ShownWithNames) => {
                io::stdin().as_fd().try_clone_to_owned()?
            }
            (Stdin::Open, Output::Kept) => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                self.kept_open = Some(write);
                read
            }
        };
        let (out_read, out) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err_read, err) = pipe_with(PipeFlags::CLOEXEC)?;
        let name = &self.to_run.name;
        self.sources.push(Source::new(out_read, Stream::Out, output, name));
        self.sources.push(Source::new(err_read, Stream::Err, output, name));
        Ok(Streams::Given([input, out, err]))
    }

    /// Lets a proven container run.
    pub(crate) fn release(
        &mut self,
        proven: Proven,
        ground: &Ground<'_>,
    ) -> Result<(), NotStartedPod> {
        let running = proven.release(&self.to_run.name)?;
        self.exit = None;
        self.again_at = None;
        self.ending = Ending::No;
        self.since = Instant::now();
        let to_run = self.to_run;
        let start =
            |plan: &Plan, until: Instant| Asked::start(plan, until, to_run, &running, ground).ok();
        let health = Health::new(&to_run.health, self.since, &start);
        self.has_begun |= health.condition() != Condition::Starting;
        self.health = Some(health);
        self.running = Some(running);
        self.started_at = clock::now();
        Ok(())
    }

    /// Takes what one of its streams has; a stream that is at its end is dropped.
    pub(crate) fn relay(&mut self, index: usize) {
        let flow = self.sources[index].take(&mut self.log);
        if !matches!(flow, Ok(Flow::Open)) {
            self.sources.remove(index);
        }
    }

    /// Looks whether it has ended, and takes what it wrote last.
    pub(crate) fn reap(&mut self, ground: &Ground<'_>) -> Option<Exit> {
        let running = self.running.as_ref()?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let exit = match waitid(WaitId::PidFd(running.pidfd.as_fd()), options) {
            Ok(None) => return None,
            Ok(Some(status)) => exit_of(&status),
            Err(_) => Exit::Unknown,
        };
        self.running = None;
        // What joined it goes with it.
        self.health = None;
        self.ending = Ending::No;
        self.exit = Some(exit);
        self.ended_at = clock::now();
        // With the host's PID namespace its other processes outlive it; its cgroup knows them.
        if let Ok(path) = ground.cgroup.child(&self.to_run.name) {
            cgroup::kill_all(&ground.host.cgroups, &path, LEFTOVERS).ok();
            cgroup::remove(&ground.host.cgroups, &path, LEFTOVERS).ok();
        }
        self.drain();
        Some(exit)
    }

    fn drain(&mut self) {
        while !self.sources.is_empty() {
            if self.is_readable(0) {
                self.relay(0);
            } else {
                let mut source = self.sources.remove(0);
                source.flush(&mut self.log).ok();
            }
        }
        self.terminal = None;
        self.kept_open = None;
    }

    fn is_readable(&self, index: usize) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut fds = [PollFd::from_borrowed_fd(self.sources[index].fd(), PollFlags::IN)];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(1))
    }

    /// Waits longer before each start, up to five minutes; ten minutes of running forget that.
    pub(crate) fn plan_restart(&mut self) {
        if self.since.elapsed() > FORGET {
            self.restarts = 0;
        }
        let factor = 1_u32.checked_shl(self.restarts.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = match self.restarts {
            0 => Duration::ZERO,
            _ => FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE),
        };
        self.restarts += 1;
        self.again_at = Some(Instant::now() + pause);
    }

    /// Whether it runs or will run again.
    pub(crate) const fn is_alive(&self) -> bool {
        self.running.is_some() || self.again_at.is_some()
    }

    /// Whether it has ended for good, and not well.
    pub(crate) fn has_failed(&self) -> bool {
        !self.is_alive() && self.exit.is_some_and(|it| it != Exit::Code(0))
    }

    /// Whether the next container may have its turn.
    pub(crate) fn lets_others_begin(&self) -> bool {
        match self.to_run.turn {
            Turn::Init => !self.is_alive() && self.exit == Some(Exit::Code(0)),
            Turn::Sidecar => self.has_begun,
            Turn::Regular => true,
        }
    }

    /// Whether it runs and was not asked to end yet.
    pub(crate) const fn can_be_asked(&self) -> bool {
        self.running.is_some() && matches!(self.ending, Ending::No)
    }

    /// Asks what is due of it, and goes on with its end. Returns whether its condition has changed.
    pub(crate) fn tend(&mut self, ground: &Ground<'_>) -> bool {
        let Some(running) = &self.running else { return false };
        let now = Instant::now();
        match &self.ending {
            Ending::No => {}
            Ending::Hook { doing, kill_at } => {
                if doing.outcome(now).is_some() || now >= *kill_at {
                    self.ask(*kill_at, now + LEAST);
                }
                return false;
            }
            Ending::Asked { kill_at, .. } if now >= *kill_at => {
                self.kill();
                return false;
            }
            Ending::Asked { .. } => return false,
        }
        let before = self.condition();
        let Some(health) = &mut self.health else { return false };
        let to_run = self.to_run;
        let start =
            |plan: &Plan, until: Instant| Asked::start(plan, until, to_run, running, ground).ok();
        let verdict = health.tend(now, &start);
        self.has_begun |= health.condition() != Condition::Starting;
        if let Verdict::End(grace) = verdict {
            self.end_by(now + grace.unwrap_or(ground.pod.grace), ground);
        }
        before != self.condition()
    }

    /// How far it has got, if it runs. One that is being ended is not ready.
    fn condition(&self) -> Option<Condition> {
        let of = |_: &Running| self.health.as_ref().map_or(Condition::Started, Health::condition);
        self.running.as_ref().map(of)
    }

    /// Asks it to end, after what is to be run before, and kills it if it does not in its time.
    pub(crate) fn end_by(&mut self, kill_at: Instant, ground: &Ground<'_>) {
        let Some(running) = &self.running else { return };
        self.health = None;
        match &self.to_run.health.pre_stop {
            None => self.ask(kill_at, Instant::now()),
            Some(hook) => {
                let start = |plan: &Plan, until: Instant| {
                    Asked::start(plan, until, self.to_run, running, ground).ok()
                };
                let doing = Doing::new(hook, Instant::now(), kill_at, &start);
                self.ending = Ending::Hook { doing, kill_at };
            }
        }
    }

    /// One whose first process does not handle the signal cannot hear it: the kernel keeps unhandled
    /// signals from the first process of a PID namespace. It is killed.
    fn ask(&mut self, kill_at: Instant, not_before: Instant) {
        self.ending = Ending::Asked { kill_at: kill_at.max(not_before), not_before };
        let Some(running) = &self.running else { return };
        let signal = self.to_run.stop_signal;
        let signal = if handles(running.pid, signal) { signal } else { Signal::KILL };
        pidfd_send_signal(&running.pidfd, signal).ok();
    }

    /// When there is something to be done for it, if nothing happens before.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let end = match &self.ending {
            Ending::No => None,
            Ending::Hook { doing, kill_at } => Some(doing.until().min(*kill_at)),
            Ending::Asked { kill_at, .. } => Some(*kill_at),
        };
        let health = self.health.as_ref().and_then(Health::next_at);
        [self.again_at, end, health].into_iter().flatten().min()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(running) = &self.running {
            pidfd_send_signal(&running.pidfd, Signal::KILL).ok();
            let again = Instant::now() + RETRY;
            self.ending = Ending::Asked { kill_at: again, not_before: again };
        }
    }

    /// Kills it by then, if it is being ended with more time.
    pub(crate) fn end_no_later(&mut self, at: Instant) {
        match &mut self.ending {
            Ending::No => {}
            Ending::Hook { kill_at, .. } => *kill_at = at.min(*kill_at),
            // One whose time was used up by a hook keeps the little that it was given.
            Ending::Asked { kill_at, not_before } => {
                *kill_at = at.min(*kill_at).max(*not_before);
            }
        }
    }

    /// How it is; `waiting` says why it has not started, if it has not.
    pub(crate) fn status(&self, waiting: &str) -> ContainerStatus {
        let state = match (&self.running, self.exit) {
            (Some(running), _) => {
                ContainerState::Running { pid: running.pid, since: self.started_at.clone() }
            }
            (None, Some(_)) if self.again_at.is_some() => {
                ContainerState::Waiting { reason: "CrashLoopBackOff".to_owned() }
            }
            (None, Some(exit)) => ContainerState::Ended { exit, at: self.ended_at.clone() },
            (None, None) => ContainerState::Waiting { reason: waiting.to_owned() },
        };
        ContainerStatus {
            name: self.to_run.name.clone(),
            state,
            restarts: self.restarts,
            kind: self.to_run.turn.into(),
            condition: self.condition(),
        }
    }
}

/// Why a container was not created.
pub(crate) enum Trouble {
    Files(io::Error),
    Step(Box<crate::StepFailed>),
}

impl Trouble {
    pub(crate) fn of(self, container: &str) -> NotStartedPod {
        let container = container.to_owned();
        match self {
            Self::Files(error) => NotStartedPod::Files(container, error),
            Self::Step(failed) => NotStartedPod::Step(container, failed),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Whether a process has a handler for a signal; if that cannot be read, it is assumed to.
fn handles(pid: i32, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return true };
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let Ok(text) = std::fs::read_to_string(path) else { return true };
    let caught = text.lines().find_map(|it| it.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

/// What a container gets whose time was used up by what is run before. Source: kubelet.
const LEAST: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_secs(1);
const LEFTOVERS: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const FORGET: Duration = Duration::from_secs(600);
