//! The host's side of a plan.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid,
};
use stockade_abi::NamespaceSet;
use stockade_confine::plan::{Action, Plan, RootSource, Step};
use stockade_sys::process::{Birth, Born, Parent, birth};

use crate::cgroup::{self, Cgroup};
use crate::channel::{Channel, Heard, Message, pair};
use crate::child;
use crate::fault::{Cause, Fault, StepFailed};
use crate::joiner::{NotBorn, birth_inside};
use crate::prepare::{Prepared, remove_gate};
use crate::site::{Gate, Site, remove_scratch};
use crate::step::cgroup::BornIn;
use crate::step::id_maps;

/// A process that has done everything of its plan up to the start, and waits for that.
///
/// Dropped, it is killed and what was made for it is removed, unless it is let go
/// ([`Created::leave`]) or started.
#[derive(Debug)]
pub struct Created {
    pub(crate) pid: Pid,
    pub(crate) pidfd: Option<OwnedFd>,
    pub(crate) channel: Option<Channel>,
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) later: Later,
    /// Whether it came among processes that are not ours, and hides from them.
    pub(crate) hides: bool,
    made: Made,
}

/// The steps that come after the start, for errors.
#[derive(Clone, Debug)]
pub(crate) struct Later(Plan);

/// What has to be undone if a process does not come to life.
#[derive(Debug, Default)]
pub(crate) struct Made {
    cgroup: Option<Cgroup>,
    scratch: Option<std::path::PathBuf>,
    gate: Option<Gate>,
}

/// Makes a process and walks it through `plan` up to its start.
///
/// The calling process must have one thread. Whatever the process is given to be found by later
/// (its cgroup, its scratch directory) is the caller's to write down before.
///
/// # Errors
///
/// The step that could not be done. Everything made so far is gone: the process, its cgroup, what
/// was put into its scratch directory; mounts were its own.
pub fn create(plan: &Plan, site: &Site<'_>) -> Result<Created, StepFailed> {
    let (outcome, child, made) = carry_out(plan, site)?;
    let mut created = Created {
        pid: child.pid,
        pidfd: Some(child.pidfd),
        channel: Some(child.channel),
        terminal: None,
        later: Later(plan.clone()),
        hides: child.hides,
        made,
    };
    match outcome {
        Outcome::Waiting(terminal) => {
            created.terminal = terminal;
            Ok(created)
        }
        Outcome::Finished => {
            drop(created);
            let last = plan.steps().len().saturating_sub(1);
            let why = "the plan of a process to be started does not wait for that";
            Err(StepFailed::new(plan, last, Cause::Unsafe(why.to_owned())))
        }
    }
}

impl Created {
    /// Its number in our PID namespace.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The other end of its terminal, if its plan gives it one. Once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Lets go of it: it goes on waiting, for a word through its [`Gate::Socket`]. With
    /// [`Gate::Held`] nobody is left who could start it, and it ends. Returns the process, which is
    /// still our child.
    pub fn leave(mut self) -> Option<OwnedFd> {
        self.made = Made::default();
        self.pidfd.take()
    }

    pub(crate) fn keep(&mut self) {
        self.made = Made::default();
    }

    /// Kills it, takes its status and undoes what was made for it.
    pub(crate) fn end(&mut self) -> Option<WaitIdStatus> {
        let pidfd = self.pidfd.take()?;
        let status = kill_and_reap(&pidfd);
        std::mem::take(&mut self.made).undo();
        status
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        self.end();
    }
}

impl Later {
    /// What failed, from what the child said.
    pub(crate) fn failed(&self, record: crate::channel::Record) -> StepFailed {
        let index = usize::try_from(record.index).unwrap_or(usize::MAX);
        StepFailed::new(&self.0, index, record.cause)
    }
}

impl Made {
    pub(crate) fn undo(self) {
        if let Some(cgroup) = self.cgroup {
            cgroup.undo();
        }
        if let Some(scratch) = self.scratch
            && remove_scratch(&scratch).is_err()
        {
            // The caller's journal names it, too.
        }
        if let Some(gate) = self.gate {
            remove_gate(&gate);
        }
    }
}

/// Where a child has got to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It waits for the start, with the other end of its terminal.
    Waiting(Option<OwnedFd>),
    /// It has no more steps, and waits to be let go.
    Finished,
}

/// A child, seen from the host.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) channel: Channel,
    pub(crate) hides: bool,
}

/// Does the host's steps and waits for the child's.
pub(crate) fn carry_out(
    plan: &Plan,
    site: &Site<'_>,
) -> Result<(Outcome, Child, Made), StepFailed> {
    let failed = |(index, fault): (usize, Fault)| StepFailed::new(plan, index, fault.into());
    let mut ready = Prepared::new(plan, site).map_err(failed)?;
    let mut child = None;
    let result = walk(plan, site, &mut ready, &mut child);

    let scratch = makes_scratch(plan).then(|| site.scratch.clone());
    let gate = ready.gate.is_some().then(|| site.gate.clone());
    let made = Made { cgroup: ready.cgroup.take(), scratch, gate };
    match (result, child) {
        (Ok(outcome), Some(child)) => Ok((outcome, child, made)),
        (result, child) => {
            if let Some(child) = child {
                kill_and_reap(&child.pidfd);
            }
            made.undo();
            let why = Fault::told("the plan makes no process");
            Err(result.err().unwrap_or_else(|| failed((0, why))))
        }
    }
}

fn walk(
    plan: &Plan,
    site: &Site<'_>,
    ready: &mut Prepared,
    child: &mut Option<Child>,
) -> Result<Outcome, StepFailed> {
    let failed = |(index, fault): (usize, Fault)| StepFailed::new(plan, index, fault.into());
    let mut birth_step = 0;
    for (index, step) in plan.steps().iter().enumerate() {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all but these are the child's")]
        match &step.action {
            Action::MakeCgroup { limits, devices } => {
                let cgroup = cgroup::make(site.cgroups, &site.cgroup, limits, devices.as_deref());
                ready.cgroup = Some(cgroup.map_err(|fault| failed((index, fault)))?);
            }
            Action::Birth { unshare } => {
                ready.open_sources(plan, site).map_err(failed)?;
                *child = Some(bear(plan, site, ready, index, *unshare)?);
                birth_step = index;
            }
            Action::WriteIdMaps { uids, gids, set_groups } => {
                let born = child.as_ref().ok_or_else(|| failed((index, unborn())))?;
                id_maps::write(&ready.proc, born.pid, uids, gids, *set_groups)
                    .map_err(|fault| failed((index, fault)))?;
                born.channel.tell(&Message::Go).map_err(|it| failed((index, it.into())))?;
            }
            // The child's; and what comes after the start.
            _ => {}
        }
    }
    let child = child.as_ref().ok_or_else(|| failed((0, unborn())))?;
    await_child(plan, child, birth_step)
}

/// Waits until the child has done its steps.
fn await_child(plan: &Plan, child: &Child, birth: usize) -> Result<Outcome, StepFailed> {
    let failed = |fault: Fault| StepFailed::new(plan, birth, fault.into());
    match child.channel.listen(Some(PATIENCE)).map_err(|it| failed(it.into()))? {
        Heard::Message(Message::Waiting, terminal) => Ok(Outcome::Waiting(terminal)),
        Heard::Message(Message::Finished, _) => Ok(Outcome::Finished),
        Heard::Message(Message::Failed(record), _) => {
            let index = usize::try_from(record.index).unwrap_or(usize::MAX);
            Err(StepFailed::new(plan, index, record.cause))
        }
        Heard::Message(Message::Go | Message::Offer | Message::Born(_), _) => {
            Err(failed(Fault::told("the process said something that it cannot mean")))
        }
        Heard::Silence => {
            let how = reap(&child.pidfd).map_or_else(|| "somehow".to_owned(), |it| in_words(&it));
            Err(failed(Fault::told(format!("the process ended before it was ready: {how}"))))
        }
        Heard::Late => {
            let seconds = PATIENCE.as_secs();
            Err(failed(Fault::told(format!("the process was not ready in {seconds} seconds"))))
        }
    }
}

/// Makes the child. Returns on the host's side only.
fn bear(
    plan: &Plan,
    site: &Site<'_>,
    ready: &mut Prepared,
    index: usize,
    unshare: NamespaceSet,
) -> Result<Child, StepFailed> {
    let failed = |fault: Fault| StepFailed::new(plan, index, fault.into());
    let (near, far) = pair().map_err(|it| failed(it.into()))?;
    let enters = plan.steps().iter().any(|it| matches!(it.action, Action::EnterCgroup));
    let cgroup = ready.cgroup.as_ref().filter(|_| enters).and_then(Cgroup::unified);
    let born_in = match (cgroup, ready.outline.joined_at_birth) {
        (Some(_), None) => BornIn::Unified,
        (None, None) => BornIn::Ours,
        (_, Some(_)) => BornIn::All,
    };
    let born = match ready.outline.joined_at_birth {
        None => birth(Birth { flags: unshare, cgroup, parent: Parent::Caller })
            .map_err(|it| failed(it.into()))?,
        Some(joined) => {
            birth_inside(plan, site, ready, joined, unshare).map_err(|it| match it {
                NotBorn::Here(fault) => failed(fault),
                NotBorn::There(record) => {
                    let index = usize::try_from(record.index).unwrap_or(usize::MAX);
                    StepFailed::new(plan, index, record.cause)
                }
            })?
        }
    };
    match born {
        Born::Parent { pid, pidfd } => {
            let hides = ready.outline.joins_processes();
            Ok(Child { pid, pidfd, channel: near, hides })
        }
        Born::Child => {
            // Our end must be the host's alone, or its end would not be heard.
            drop(near);
            child::walk(plan, site, ready, born_in, far)
        }
    }
}

fn makes_scratch(plan: &Plan) -> bool {
    let overlay = |it: &Step| matches!(it.action, Action::MountRoot(RootSource::Overlay { .. }));
    plan.steps().iter().any(overlay)
}

fn unborn() -> Fault {
    Fault::told("the plan makes no process before this step")
}

/// Kills a child of ours and takes its status.
pub(crate) fn kill_and_reap(pidfd: &OwnedFd) -> Option<WaitIdStatus> {
    if pidfd_send_signal(pidfd, Signal::KILL).is_err() {
        // It has ended by itself.
    }
    reap(pidfd)
}

/// Waits for the end of a child of ours and takes its status.
pub(crate) fn reap(pidfd: &OwnedFd) -> Option<WaitIdStatus> {
    loop {
        match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.ok().flatten(),
        }
    }
}

/// How a process ended.
pub(crate) fn in_words(status: &WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "in a way that the kernel does not tell".to_owned(),
    }
}

/// How long the steps of a child may take. They wait for nothing but the kernel, and for the file
/// systems that its mounts come from.
const PATIENCE: Duration = Duration::from_secs(120);
