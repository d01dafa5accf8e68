//! The namespaces that a pod's containers share.
//!
//! They are made by a process that walks the pod's plan and ends: the namespaces live on through
//! the descriptors that are taken from it meanwhile. There is no pause process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use stockade_abi::{NamespaceKind, NamespaceSet};
use stockade_confine::plan::{Action, Plan};

use crate::apply::{Outcome, carry_out, kill_and_reap, reap};
use crate::channel::Message;
use crate::fault::{Cause, Fault, StepFailed};
use crate::proc::Proc;
use crate::site::{Join, Site};

/// Namespaces of a pod. They exist as long as this value, or a process or mount, holds them.
#[derive(Debug)]
pub struct PodNamespaces(Vec<(NamespaceKind, OwnedFd)>);

/// Makes the namespaces that `plan` (of a pod) speaks of and sets them up.
///
/// # Errors
///
/// The step that could not be done; nothing is left.
pub fn make_namespaces(plan: &Plan, site: &Site<'_>) -> Result<PodNamespaces, StepFailed> {
    let (outcome, child, made) = carry_out(plan, site)?;
    let taken = match outcome {
        Outcome::Waiting(_) => Err(Fault::told("the plan of a pod waits to be started")),
        Outcome::Finished => take(plan, child.pid.as_raw_nonzero().get()),
    };
    match taken {
        Ok(namespaces) => {
            // A reused number would have been another process: ours was alive until now.
            if child.channel.tell(&Message::Go).is_err() {
                kill_and_reap(&child.pidfd);
            } else {
                reap(&child.pidfd);
            }
            Ok(namespaces)
        }
        Err(fault) => {
            kill_and_reap(&child.pidfd);
            made.undo();
            let birth =
                |it: &stockade_confine::plan::Step| matches!(it.action, Action::Birth { .. });
            let index = plan.steps().iter().position(birth).unwrap_or(0);
            Err(StepFailed::new(plan, index, Cause::from(fault)))
        }
    }
}

impl PodNamespaces {
    /// One of them.
    pub fn of(&self, kind: NamespaceKind) -> Option<BorrowedFd<'_>> {
        self.0.iter().find(|(it, _)| *it == kind).map(|(_, fd)| fd.as_fd())
    }

    /// Which kinds there are.
    pub fn kinds(&self) -> NamespaceSet {
        self.0.iter().map(|(kind, _)| *kind).collect()
    }

    /// Descriptors of all, to join them.
    ///
    /// # Errors
    ///
    /// Too many open files.
    pub fn to_join(&self) -> std::io::Result<Join> {
        let copies = self.0.iter().map(|(kind, fd)| Ok((*kind, fd.try_clone()?)));
        copies.collect::<std::io::Result<Vec<_>>>().map(Join::Each)
    }

    /// The descriptors themselves.
    pub fn into_parts(self) -> Vec<(NamespaceKind, OwnedFd)> {
        self.0
    }
}

impl From<Vec<(NamespaceKind, OwnedFd)>> for PodNamespaces {
    fn from(parts: Vec<(NamespaceKind, OwnedFd)>) -> Self {
        Self(parts)
    }
}

/// Opens the namespaces that were made for a process. The process must not have been reaped.
fn take(plan: &Plan, pid: i32) -> Result<PodNamespaces, Fault> {
    let proc = Proc::open()?;
    let mut all = Vec::new();
    for step in plan.steps() {
        if let Action::Birth { unshare } = &step.action {
            for kind in unshare.iter() {
                all.push((kind, proc.open_namespace(pid, kind.proc_name())?));
            }
        }
    }
    Ok(PodNamespaces(all))
}
