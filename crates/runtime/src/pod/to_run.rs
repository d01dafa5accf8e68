//! A pod as the supervisor is given it: judged and planned, and why it may not start all the same.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use stockade_abi::ProcessFacts;
use stockade_abi::facts::Questions;
use stockade_confine::limits::Limits;
use stockade_confine::plan::{Plan, Terminal};
use stockade_confine::volume::Volume;
use stockade_confine::workload::Stdin;
use stockade_confine::{Finding, Restart, Sourced, Turn};
use stockade_sys::Refused;
use thiserror::Error;

use super::relay::Output;
use super::volumes::VolumeFailed;
use crate::cgroup::CgroupPath;
use crate::{Cause, NotStarted, StepFailed};

/// A pod that was judged and planned.
#[derive(Debug)]
pub struct PodToRun {
    /// Makes its namespaces; `None` if it has none of its own.
    pub plan: Option<Plan>,
    /// Its volumes, made before any container.
    pub volumes: Vec<Sourced<Volume>>,
    /// Its containers: init containers first, each list in the manifest's order.
    pub containers: Vec<ContainerToRun>,
    /// How long containers get to end.
    pub grace: Duration,
    /// Its cgroup.
    pub cgroup: CgroupPath,
    /// What its containers together may use.
    pub limits: Limits,
    /// Where its containers' writable layers go; made if it is not there.
    pub scratch: PathBuf,
    /// Whether what containers write is shown.
    pub output: Output,
    /// What is demanded of values that the kernel took in its own form.
    pub adjusted: Demand,
    /// What is demanded of what cannot be read in full.
    pub unproven: Demand,
}

/// What is demanded of something that holds, but not to the letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Demand {
    /// It is reported.
    Report,
    /// The pod does not start with it.
    Exact,
}

/// A container that was judged and planned.
#[derive(Debug)]
pub struct ContainerToRun {
    /// Its name in the manifest.
    pub name: String,
    /// When it has its turn.
    pub turn: Turn,
    /// When it starts again.
    pub restart: Restart,
    /// What is asked of it while it runs.
    pub health: HealthToRun,
    /// The steps that start it.
    pub plan: Plan,
    /// What the kernel is to say of it.
    pub expected: ProcessFacts,
    /// What to ask for that.
    pub questions: Questions,
    /// Whether it gets a terminal.
    pub terminal: Terminal,
    /// Its standard input.
    pub stdin: Stdin,
    /// What asks it to end.
    pub stop_signal: Signal,
}

/// What is asked of a container while it runs. Each process joins it by a plan of its own.
#[derive(Debug, Default)]
pub struct HealthToRun {
    /// Whether it has begun.
    pub startup: Option<ProbeToRun>,
    /// Whether it still does what it should.
    pub liveness: Option<ProbeToRun>,
    /// Whether it is ready.
    pub readiness: Option<ProbeToRun>,
    /// What is run when it begins.
    pub post_start: Option<HookToRun>,
    /// What is run before it is asked to end.
    pub pre_stop: Option<HookToRun>,
}

/// A question that is asked again and again.
#[derive(Debug)]
pub struct ProbeToRun {
    /// The steps that start the process that answers.
    pub plan: Plan,
    /// How long after the beginning it is asked first.
    pub initial_delay: Duration,
    /// How often.
    pub period: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many times yes in a row count.
    pub successes: u32,
    /// How many times no in a row count.
    pub failures: u32,
    /// How long the container gets to end, if not as long as its pod says.
    pub grace: Option<Duration>,
}

/// What is run once.
#[derive(Debug)]
pub enum HookToRun {
    /// The steps that start a process.
    Exec(Plan),
    /// Nothing, for so long.
    Sleep(Duration),
}

/// Why a pod did not start, or not all of it: of the containers whose turn it was none has run, and
/// nothing of the pod is left.
#[derive(Debug, Error)]
pub enum NotStartedPod {
    /// Somebody supervises it already.
    #[error("the pod has a supervisor already")]
    Taken,
    /// The supervisor itself could not be set up.
    #[error("the supervisor: {0}")]
    Supervisor(#[from] io::Error),
    /// The same, by a system call.
    #[error("the supervisor: {0}")]
    Refused(#[from] Refused),
    /// Its cgroup could not be made or limited.
    #[error("the pod's cgroup: {0}")]
    Cgroup(Box<Cause>),
    /// One of its volumes.
    #[error(transparent)]
    Volume(#[from] Box<VolumeFailed>),
    /// A step of the pod's own plan.
    #[error("the pod's namespaces: {0}")]
    Pod(Box<StepFailed>),
    /// A file of a container.
    #[error("container {0}: {1}")]
    Files(String, io::Error),
    /// A step before its start.
    #[error("container {0}: {1}")]
    Step(String, Box<StepFailed>),
    /// A step after its start, or its end before its program began.
    #[error("container {0}: {1}")]
    NotStarted(String, NotStarted),
    /// It could not be read.
    #[error("container {0} could not be read: {1}")]
    NotSeen(String, String),
    /// Whoever asked for it has gone before it ran.
    #[error("nobody waits for the pod any more; it did not run")]
    Withheld,
    /// It is not confined as was meant.
    #[error("container {0} is not confined as was meant, and did not run")]
    NotProven(String, Vec<Finding>),
}
