//! A process of a container that stands at its first instruction and was looked at.

use std::collections::BTreeMap;

use stockade_abi::Reading;
use stockade_confine::{Finding, Verdict, diff};
use stockade_sys::Refused;

use super::to_run::{ContainerToRun, Demand, NotStartedPod, PodToRun};
use super::volumes::pinned;
use crate::{Created, Held, Hold, Running, Started, VolumeRoot};

/// A process that stands at its first instruction, and what the kernel says of it.
pub(crate) struct Proven {
    held: Held,
    pub(crate) findings: Vec<Finding>,
}

impl Proven {
    /// Says which findings forbid that it runs.
    pub(crate) fn objections(&self, pod: &PodToRun) -> Vec<Finding> {
        let objects = |finding: &&Finding| match &finding.verdict {
            Verdict::Adjusted(_) => pod.adjusted == Demand::Exact,
            Verdict::Unproven(_) => pod.unproven == Demand::Exact,
            verdict @ (Verdict::Holds
            | Verdict::Tighter(_)
            | Verdict::Different(_)
            | Verdict::Weaker(_)
            | Verdict::Unreadable(_)) => !verdict.is_acceptable(),
        };
        self.findings.iter().filter(objects).cloned().collect()
    }

    pub(crate) const fn pid(&self) -> i32 {
        self.held.pid()
    }

    pub(crate) fn release(self, container: &str) -> Result<Running, NotStartedPod> {
        let gone = |it: Refused| NotStartedPod::NotSeen(container.to_owned(), it.to_string());
        self.held.release().map_err(gone)
    }

    pub(crate) fn kill(self) {
        self.held.kill().ok();
    }
}

/// Holds a process of a container at its first instruction and reads it. Nothing of it has run.
pub(crate) fn examine(
    created: Created,
    container: &ContainerToRun,
    volumes: &BTreeMap<String, VolumeRoot>,
) -> Result<Proven, NotStartedPod> {
    let name = || container.name.clone();
    let held = match created.start(Hold::AtExec) {
        Ok(Started::Held(held)) => held,
        Ok(Started::Running(_)) => unreachable!("it was to be held"),
        Err(why) => return Err(NotStartedPod::NotStarted(name(), why)),
    };
    let expected = match pinned(&container.expected, &container.plan, volumes) {
        Ok(expected) => expected,
        Err(error) => {
            held.kill().ok();
            return Err(NotStartedPod::Files(name(), error));
        }
    };
    let filters = Reading::from(held.filters());
    let pid = held.pid().cast_unsigned();
    match stockade_observe::process_with_filters(pid, &container.questions, filters) {
        Ok(seen) => Ok(Proven { held, findings: diff(&expected, &seen) }),
        Err(gone) => {
            held.kill().ok();
            Err(NotStartedPod::NotSeen(name(), gone.to_string()))
        }
    }
}
