//! A process that a probe or a hook runs in a container.
//!
//! It comes about by the plan that joins the container, is held at its first instruction and
//! compared with what was meant for the container, as its first process was: nothing of the image
//! runs outside of the container's confinement, and what is weaker does not run.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::{WaitId, WaitIdOptions, waitid};
use stockade_confine::plan::Plan;

use super::proven::{Proven, examine};
use super::tasks::{Ground, Trouble};
use super::to_run::{ContainerToRun, NotStartedPod};
use crate::apply::kill_and_reap;
use crate::{Gate, Join, Life, Running, Site, Streams, Tie, create};

/// A process that answers by its exit code. Dropped, it is killed.
pub(super) struct Asked {
    process: Running,
    /// When it has taken too long.
    until: Instant,
}

/// What a process has answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Success,
    Failure,
}

impl Asked {
    /// Starts a process in a container that runs.
    pub(super) fn start(
        plan: &Plan,
        until: Instant,
        container: &ContainerToRun,
        first: &Running,
        ground: &Ground<'_>,
    ) -> Result<Self, NotStartedPod> {
        let name = &container.name;
        let site = site(name, first, ground).map_err(|it| Trouble::Files(it).of(name))?;
        let created =
            create(plan, &site).map_err(|it| NotStartedPod::Step(name.clone(), Box::new(it)))?;
        let proven = examine(created, container, ground.volumes)?;
        let objections = proven.objections(ground.pod);
        if !objections.is_empty() {
            proven.kill();
            return Err(NotStartedPod::NotProven(name.clone(), objections));
        }
        Ok(Self { process: Proven::release(proven, name)?, until })
    }

    /// What it has answered; `None` while it has time.
    pub(super) fn outcome(&self, now: Instant) -> Option<Outcome> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(self.process.pidfd.as_fd()), options) {
            Ok(Some(status)) if status.exit_status() == Some(0) => Some(Outcome::Success),
            Ok(None) if now < self.until => None,
            Ok(_) | Err(_) => Some(Outcome::Failure),
        }
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        kill_and_reap(&self.process.pidfd);
    }
}

fn site<'a>(name: &str, first: &Running, ground: &Ground<'a>) -> io::Result<Site<'a>> {
    let null = || File::options().read(true).write(true).open("/dev/null").map(Into::into);
    Ok(Site {
        cgroups: &ground.host.cgroups,
        cgroup: ground.cgroup.child(name).map_err(io::Error::other)?,
        scratch: PathBuf::from("/nonexistent"),
        pod_files: None,
        join: Join::Of(first.pidfd.try_clone()?),
        streams: Streams::Given([null()?, null()?, null()?]),
        tie: Tie::DiesWithUs,
        gate: Gate::Held,
        known: ground.directory.known(name, Life::Joins { first: first.pid }),
    })
}
