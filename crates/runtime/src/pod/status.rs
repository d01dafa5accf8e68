//! What became of a pod, as its directory keeps it. Versioned: other builds read it.

use std::fmt;

use serde::{Deserialize, Serialize};
use stockade_confine::Turn;

/// The state of a pod.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Of this format.
    pub version: u32,
    /// In the words of Kubernetes.
    pub phase: Phase,
    /// The supervisor's process id, to send signals to while its lock is held.
    pub supervisor: i32,
    /// When the pod was started, RFC 3339.
    pub started_at: String,
    /// Why the pod failed, if it did before its containers ran.
    pub message: Option<String>,
    /// Its containers: init containers first, each list in the manifest's order.
    pub containers: Vec<ContainerStatus>,
}

impl Status {
    /// The version that this build writes.
    pub const VERSION: u32 = 1;
}

/// A pod's phase.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Phase {
    /// Its containers have not started yet; init containers may have.
    Pending,
    /// At least one container runs or will run again.
    Running,
    /// All but sidecars have ended with code 0.
    Succeeded,
    /// All have ended; one at least not with code 0, or before its turn.
    Failed,
    /// Its supervisor was killed: nobody knows how its containers ended.
    Unknown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        })
    }
}

/// The state of a container.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Its name in the manifest.
    pub name: String,
    /// What it does now.
    pub state: ContainerState,
    /// How often it was started again.
    pub restarts: u32,
    /// When it has its turn. Older builds, which do not say, have one kind only.
    #[serde(default)]
    pub kind: Kind,
    /// How far it has got, if it runs. Older builds, which do not say, ask nothing of containers.
    #[serde(default)]
    pub condition: Option<Condition>,
}

/// How far a container that runs has got.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// Its hook runs, or its startup probe has not said yes.
    Starting,
    /// It has begun, and its readiness probe does not say yes.
    Started,
    /// It is ready, as far as it was asked.
    Ready,
}

/// The kinds of containers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Ends before others begin.
    Init,
    /// Begins among init containers and stays.
    Sidecar,
    /// Begins after all of them.
    #[default]
    Regular,
}

impl From<Turn> for Kind {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Init => Self::Init,
            Turn::Sidecar => Self::Sidecar,
            Turn::Regular => Self::Regular,
        }
    }
}

/// What a container does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum ContainerState {
    /// Not yet, or not at the moment.
    Waiting {
        /// Why, in the words of Kubernetes (`CrashLoopBackOff`).
        reason: String,
    },
    /// It runs.
    Running {
        /// Its first process, as the host numbers it.
        pid: i32,
        /// Since when, RFC 3339.
        since: String,
    },
    /// It has ended.
    Ended {
        /// How.
        exit: Exit,
        /// When, RFC 3339.
        at: String,
    },
}

/// How a container ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody saw it.
    Unknown,
}

impl Exit {
    /// The code that a shell would show: 128 and the signal's number for a signal. `None` if nobody
    /// knows.
    pub const fn shell_code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(signal) => Some(128 + signal),
            Self::Unknown => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("exit code unknown"),
        }
    }
}
