//! What is made ready before the child is born, so that little is left to do in it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, OFlags, unlinkat};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::{PidfdFlags, geteuid, getpid, pidfd_open};
use stockade_abi::{NamespaceKind, NamespaceSet};
use stockade_confine::plan::{Action, Plan, Propagation, SeccompLoad};
use stockade_sys::{Calls, Refused};

use crate::cgroup::{self, Cgroup};
use crate::fault::{Done, Fault};
use crate::proc::{Proc, read_all};
use crate::site::{Gate, Site};
use crate::step::agent::Agent;
use crate::step::exec;
use crate::step::namespaces::need_a_birth;
use crate::step::sources::{Opener, Sources};

/// What the child finds ready.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The kernel's `/proc`.
    pub(crate) proc: Proc,
    /// This process, for the child to see whether it still lives.
    pub(crate) us: OwnedFd,
    /// The cgroup to enter.
    pub(crate) cgroup: Option<Cgroup>,
    /// Host paths as mounts; `None` where the child has to open them.
    pub(crate) sources: Option<Sources>,
    /// The program.
    pub(crate) exec: Option<exec::Prepared>,
    /// Where the word to start comes in, if not from us.
    pub(crate) gate: Option<OwnedFd>,
    /// Who answers for the calls that the filter leaves to a supervisor.
    pub(crate) agent: Option<Agent>,
    /// The signals that the child inherits as ignored, as a mask.
    pub(crate) ignored_signals: u64,
    /// What the plan says elsewhere and more than one step depends on.
    pub(crate) outline: Outline,
}

/// Facts about a plan as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    /// Namespaces that must be joined by whoever makes the process.
    pub(crate) joined_at_birth: Option<(usize, NamespaceSet)>,
    /// The child must not begin before its id maps are written.
    pub(crate) awaits_maps: bool,
    /// How mount events travel.
    pub(crate) propagation: Propagation,
    /// Who the workload's user is: the owner of its terminal.
    pub(crate) uid: u32,
    /// The directory it starts in, which is made while the root can be written.
    pub(crate) working_directory: Option<String>,
    /// The root is mounted here: it is no process that joins a container.
    pub(crate) has_own_root: bool,
    /// Who we are. With privilege the host reaches a process that hides.
    pub(crate) privilege: Privilege,
}

/// Whether we are root of our user namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Privilege {
    /// We are.
    Root,
    /// We become it in the namespaces that the plan makes.
    User,
}

impl Prepared {
    /// Makes everything ready but what the cgroup is needed for. An error comes with its step.
    pub(crate) fn new(plan: &Plan, site: &Site<'_>) -> Result<Self, (usize, Fault)> {
        let outline = Outline::of(plan);
        let proc = Proc::open().map_err(|fault| (0, fault))?;
        let us = pidfd_open(getpid(), PidfdFlags::empty())
            .call("pidfd_open")
            .map_err(|refused| (0, refused.into()))?;
        let ignored_signals = ignored_signals(&proc);
        let mut ready = Self {
            proc,
            us,
            cgroup: None,
            sources: None,
            exec: None,
            gate: None,
            agent: None,
            ignored_signals,
            outline,
        };
        let makes_cgroup =
            plan.steps().iter().any(|it| matches!(it.action, Action::MakeCgroup { .. }));
        for (index, step) in plan.steps().iter().enumerate() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the others need no preparation")]
            let done = match &step.action {
                Action::Exec { arguments, environment } => {
                    exec::prepare(arguments, environment).map(|program| ready.exec = Some(program))
                }
                Action::EnterCgroup if !makes_cgroup => cgroup::open(site.cgroups, &site.cgroup)
                    .map(|cgroup| ready.cgroup = Some(cgroup)),
                Action::LoadSeccomp(SeccompLoad { listener: Some(listener), .. }) => {
                    Agent::connect(&listener.path).map(|agent| ready.agent = Some(agent))
                }
                Action::AwaitStart => gate(&site.gate).map(|gate| ready.gate = gate),
                _ => Ok(()),
            };
            done.map_err(|fault| (index, fault))?;
        }
        Ok(ready)
    }

    /// Opens host paths, if that is ours to do.
    pub(crate) fn open_sources(
        &mut self,
        plan: &Plan,
        site: &Site<'_>,
    ) -> Result<(), (usize, Fault)> {
        if self.outline.privilege == Privilege::Root {
            self.sources = Some(Sources::open(plan, site, self.cgroup.as_ref(), Opener::Host)?);
        }
        Ok(())
    }
}

impl Outline {
    fn of(plan: &Plan) -> Self {
        let mut outline = Self {
            joined_at_birth: None,
            awaits_maps: false,
            propagation: Propagation::Private,
            uid: 0,
            working_directory: None,
            has_own_root: false,
            privilege: if geteuid().is_root() { Privilege::Root } else { Privilege::User },
        };
        for (index, step) in plan.steps().iter().enumerate() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the others leave no mark here")]
            match &step.action {
                Action::JoinNamespaces { kinds } if need_a_birth(*kinds) => {
                    outline.joined_at_birth = Some((index, *kinds));
                }
                Action::WriteIdMaps { .. } => outline.awaits_maps = true,
                Action::SetPropagation(propagation) => outline.propagation = *propagation,
                Action::SetIdentity { uid, .. } => outline.uid = *uid,
                Action::Chdir(path) => outline.working_directory = Some(path.clone()),
                Action::MountRoot(_) => outline.has_own_root = true,
                _ => {}
            }
        }
        outline
    }

    /// Whether the process comes among processes that are not ours, and must hide at once.
    pub(crate) fn joins_processes(&self) -> bool {
        self.joined_at_birth.is_some_and(|(_, kinds)| kinds.contains(NamespaceKind::Pid))
    }
}

/// Which signals we ignore: all, for all we know, if the kernel does not say.
fn ignored_signals(proc: &Proc) -> u64 {
    let status = proc.open_own("status", OFlags::RDONLY).and_then(|it| read_all(&it, 8192));
    let status = String::from_utf8(status.unwrap_or_default()).unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    line.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(u64::MAX)
}

/// Opens the gate that other processes of ours can reach.
fn gate(gate: &Gate) -> Done<Option<OwnedFd>> {
    match gate {
        Gate::Held => Ok(None),
        Gate::Socket(path) => Ok(Some(listener(path)?)),
    }
}

fn listener(path: &Path) -> Result<OwnedFd, Refused> {
    let flags = SocketFlags::CLOEXEC;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).call("socket")?;
    let address = SocketAddrUnix::new(path).call("bind (path too long)")?;
    bind(&socket, &address).call("bind")?;
    if let Err(refused) = listen(socket.as_fd(), 8).call("listen") {
        remove_gate(&Gate::Socket(path.to_owned()));
        return Err(refused);
    }
    Ok(socket)
}

/// Takes the gate away.
pub(crate) fn remove_gate(gate: &Gate) {
    if let Gate::Socket(path) = gate
        && unlinkat(CWD, path, AtFlags::empty()).is_err()
    {
        // It was not made, or whoever started the process has removed it.
    }
}
