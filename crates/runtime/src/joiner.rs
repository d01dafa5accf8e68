//! Being born into namespaces that exist.
//!
//! A process cannot move its own PID namespace, and one that joins a user or mount namespace loses
//! what is needed for the rest. So an intermediate child joins them, and makes the process in
//! there as *our* child (`CLONE_PARENT`), tells us its number and ends.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use stockade_abi::NamespaceSet;
use stockade_confine::plan::{Action, Plan};
use stockade_sys::Calls;
use stockade_sys::process::{Birth, Born, Parent, birth, exit_now};

use crate::cgroup::Cgroup;
use crate::channel::{Channel, Heard, Message, Record, pair};
use crate::fault::{Cause, Fault};
use crate::prepare::Prepared;
use crate::site::Site;
use crate::step::cgroup::BornIn;
use crate::step::{cgroup, limits, namespaces};

/// How a birth through an intermediate child failed.
#[derive(Debug)]
pub(crate) enum NotBorn {
    /// We could not do our part.
    Here(Fault),
    /// The intermediate child said why.
    There(Record),
}

/// Makes the process in new namespaces `unshare`, after joining `kinds`. Returns in the process and
/// in this one.
pub(crate) fn birth_inside(
    plan: &Plan,
    site: &Site<'_>,
    prepared: &Prepared,
    (index, kinds): (usize, NamespaceSet),
    unshare: NamespaceSet,
) -> Result<Born, NotBorn> {
    let here = |fault: Fault| NotBorn::Here(fault);
    let (near, far) = pair().map_err(|it| here(it.into()))?;
    let cgroup = prepared.cgroup.as_ref().and_then(Cgroup::unified);
    let ours = Birth { flags: NamespaceSet::EMPTY, cgroup, parent: Parent::Caller };
    match birth(ours).map_err(|it| here(it.into()))? {
        Born::Child => {
            drop(near);
            match join_and_bear(plan, site, prepared, kinds, unshare) {
                Ok(Born::Child) => {
                    drop(far);
                    Ok(Born::Child)
                }
                Ok(Born::Parent { pid, .. }) => {
                    let told = far.tell(&Message::Born(pid.as_raw_nonzero().get()));
                    exit_now(if told.is_ok() { 0 } else { 125 })
                }
                Err((failed, fault)) => {
                    let failed = failed.unwrap_or(index);
                    let told = far.tell(&Message::Failed(Record::of(plan, failed, fault.into())));
                    exit_now(if told.is_ok() { 124 } else { 125 })
                }
            }
        }
        Born::Parent { pidfd: intermediate, .. } => {
            drop(far);
            let outcome = hear(&near);
            waitid(WaitId::PidFd(intermediate.as_fd()), WaitIdOptions::EXITED)
                .call("waitid")
                .map_err(|it| here(it.into()))?;
            outcome
        }
    }
}

/// The intermediate child's part. An error comes with its step, if it is not that of joining.
fn join_and_bear(
    plan: &Plan,
    site: &Site<'_>,
    prepared: &Prepared,
    kinds: NamespaceSet,
    unshare: NamespaceSet,
) -> Result<Born, (Option<usize>, Fault)> {
    // What the process inherits and could not do any more: to reach its own file, and to see its
    // place in the hierarchies past a cgroup namespace.
    for (index, step) in plan.steps().iter().enumerate() {
        let done = match (&step.action, &prepared.cgroup) {
            (Action::SetOomScoreAdj(value), _) => limits::set_oom_score_adj(&prepared.proc, *value),
            (Action::EnterCgroup, Some(cgroup)) => {
                cgroup::enter(&prepared.proc, cgroup, &site.cgroup, born_in(cgroup))
            }
            _ => Ok(()),
        };
        done.map_err(|fault| (Some(index), fault))?;
    }
    let here = |fault: Fault| (None, fault);
    // Before anybody in there can see us, and inherited, too (CVE-2016-9962).
    if prepared.outline.joins_processes() {
        namespaces::hide().map_err(here)?;
    }
    namespaces::join(kinds, &site.join).map_err(here)?;
    let ours = Birth { flags: unshare, cgroup: None, parent: Parent::CallersParent };
    birth(ours).map_err(|refused| here(refused.into()))
}

fn born_in(cgroup: &Cgroup) -> BornIn {
    if cgroup.unified().is_some() { BornIn::Unified } else { BornIn::Ours }
}

fn hear(near: &Channel) -> Result<Born, NotBorn> {
    match near.listen(None).map_err(|it| NotBorn::Here(it.into()))? {
        Heard::Message(Message::Born(pid), _) => {
            let pid = Pid::from_raw(pid).ok_or_else(|| lost("it has no number"))?;
            // Our own child, which nobody else can reap: the number is still its.
            let pidfd: OwnedFd = pidfd_open(pid, PidfdFlags::empty())
                .call("pidfd_open")
                .map_err(|it| NotBorn::Here(it.into()))?;
            Ok(Born::Parent { pid, pidfd })
        }
        Heard::Message(Message::Failed(record), _) => Err(NotBorn::There(record)),
        Heard::Message(..) | Heard::Silence | Heard::Late => {
            Err(lost("the intermediate process ended without a word"))
        }
    }
}

fn lost(what: &str) -> NotBorn {
    NotBorn::Here(Fault::told(what))
}

impl Record {
    /// What went wrong in a step of `plan`.
    pub(crate) fn of(plan: &Plan, index: usize, cause: Cause) -> Self {
        let failed = crate::fault::StepFailed::new(plan, index, cause);
        Self {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            of: u32::try_from(failed.of).unwrap_or(u32::MAX),
            cause: failed.cause,
            doing: failed.doing,
            because: failed.because.to_string(),
        }
    }
}
