//! The child's side: walks the steps of its side, and says what became of them.
//!
//! From here on there is a copy of the host's memory, one thread and a socket. Nothing returns to
//! what the host was doing: the child becomes the workload or ends.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Mode;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{geteuid, umask};
use stockade_abi::CapabilitySet;
use stockade_confine::plan::{Action, Plan, Side, Step, Terminal};
use stockade_confine::workload::{Mount, MountSource};
use stockade_sys::Calls;
use stockade_sys::process::{ParentIs, die_with_parent, exit_now};
use stockade_sys::seccomp::NoNewPrivs;

use crate::channel::{Channel, Heard, Message, Record};
use crate::fault::{Done, Fault};
use crate::prepare::{Prepared, Privilege};
use crate::root::Root;
use crate::site::{Site, Streams, Tie};
use crate::step::cgroup::BornIn;
use crate::step::mask::Covers;
use crate::step::session::Console;
use crate::step::sources::{Opener, Sources};
use crate::step::{
    capabilities, cgroup, cgroup_mount, chdir, descriptors, devices, exec, identity, label, limits,
    mask, mount, namespaces, root, seccomp, session, sysctl,
};

/// What the child has at hand: what was made ready, and what its steps leave for later ones.
struct Hands<'p> {
    plan: &'p Plan,
    site: &'p Site<'p>,
    ready: &'p mut Prepared,
    born: BornIn,
    host: Channel,
    root: Option<Root>,
    label: Option<OwnedFd>,
    no_new_privs: Option<NoNewPrivs>,
    covers: Option<Covers>,
    terminal: Option<OwnedFd>,
    ambient: Option<CapabilitySet>,
}

/// Walks the child's steps. The last one becomes the workload.
pub(crate) fn walk(
    plan: &Plan,
    site: &Site<'_>,
    ready: &mut Prepared,
    born: BornIn,
    host: Channel,
) -> ! {
    let mut hands = Hands {
        plan,
        site,
        ready,
        born,
        host,
        root: None,
        label: None,
        no_new_privs: None,
        covers: None,
        terminal: None,
        ambient: None,
    };
    let first = plan.steps().iter().position(|it| it.stage.side() == Side::Child).unwrap_or(0);
    if let Err(fault) = hands.begin() {
        hands.give_up(first, fault);
    }
    for (index, step) in plan.steps().iter().enumerate() {
        if step.stage.side() == Side::Child
            && let Err(fault) = hands.act(index, step)
        {
            hands.give_up(index, fault);
        }
    }
    hands.end()
}

impl Hands<'_> {
    /// What every child does before its first step.
    fn begin(&mut self) -> Done {
        stockade_sys::signals::reset_ignored(self.ready.ignored_signals)?;
        umask(Mode::empty());
        self.tie()?;
        if let Streams::Given([input, output, errors]) = &self.site.streams {
            descriptors::take_as_standard([input, output, errors])?;
        }
        if self.ready.outline.awaits_maps {
            self.await_word()?;
        }
        if !self.ready.outline.has_own_root && self.ready.outline.joined_at_birth.is_some() {
            // A process that joins a container has the container's root by now.
            self.root = Some(root::current()?);
        }
        Ok(())
    }

    /// One step.
    fn act(&mut self, index: usize, step: &Step) -> Done {
        match &step.action {
            Action::MakeCgroup { .. }
            | Action::Birth { .. }
            | Action::WriteIdMaps { .. }
            | Action::Prove => Ok(()),
            Action::EnterCgroup => {
                let cgroup = self.ready.cgroup.as_ref();
                let cgroup = cgroup.ok_or_else(|| Fault::told("there is no cgroup to enter"))?;
                cgroup::enter(&self.ready.proc, cgroup, &self.site.cgroup, self.born)
            }
            Action::UnshareCgroupNamespace => cgroup::unshare_namespace(),
            Action::BecomeRoot => {
                namespaces::become_root()?;
                if self.ready.outline.joins_processes() {
                    return Ok(());
                }
                namespaces::stay_reachable()
            }
            Action::JoinNamespaces { kinds } => match self.ready.outline.joined_at_birth {
                Some((done, _)) if done == index => Ok(()),
                _ => namespaces::join(*kinds, &self.site.join),
            },
            Action::LoopbackUp => Ok(stockade_sys::net::loopback_up()?),
            Action::SetHostname(name) => namespaces::set_hostname(name),
            Action::SetDomainname(name) => namespaces::set_domainname(name),
            Action::WriteSysctl { name, value } => sysctl::write(&self.ready.proc, name, value),
            Action::OpenLabelHandle(module) => {
                self.label = Some(label::open(&self.ready.proc, *module)?);
                Ok(())
            }
            Action::SetPropagation(propagation) => {
                self.open_sources()?;
                root::cut_propagation(*propagation)
            }
            Action::MountRoot(_) => {
                let tree = self.sources()?.take(index)?;
                self.root = Some(root::attach_root(tree)?);
                Ok(())
            }
            Action::Mount(mount) => self.mount(index, mount),
            Action::MakeDevices(nodes) => {
                self.open_sources()?;
                let sources = self.ready.sources.as_mut().ok_or_else(unopened)?;
                devices::make(self.root.as_ref().ok_or_else(rootless)?, nodes, index, sources)
            }
            Action::PivotRoot => root::pivot(self.root()?, self.ready.outline.propagation),
            Action::RootReadOnly => {
                // The last moment at which a missing working directory can be made.
                if let Some(path) = &self.ready.outline.working_directory {
                    chdir::make(self.root()?, path)?;
                }
                root::make_read_only(self.root()?)
            }
            Action::Mask(path) => self.covers()?.hide(path),
            Action::MakeReadOnly(path) => mask::make_read_only(self.root()?, path),
            Action::SetRlimit(limit) => limits::set_rlimit(limit),
            Action::SetOomScoreAdj(value) => match self.ready.outline.joined_at_birth {
                // Inherited from the intermediate child.
                Some(_) => Ok(()),
                None => limits::set_oom_score_adj(&self.ready.proc, *value),
            },
            Action::NewSessionKeyring => session::new_keyring(),
            Action::NewSession(Terminal::None) => session::without_terminal(),
            Action::NewSession(Terminal::New) => self.take_terminal(),
            Action::SetExecLabel { module, label } => {
                label::set(self.label.as_ref(), *module, label)
            }
            Action::SetNoNewPrivs => {
                self.no_new_privs = Some(NoNewPrivs::set()?);
                Ok(())
            }
            Action::Chdir(path) => chdir::change(self.root()?, path),
            Action::LimitBounding(keep) => capabilities::limit_bounding(*keep),
            Action::SetIdentity { uid, gid, groups, umask } => {
                identity::set(*uid, *gid, groups.as_deref(), *umask)
            }
            Action::SetCapabilities(sets) => capabilities::set(sets, &mut self.ambient),
            Action::CloseDescriptors { preserved } => descriptors::close_at_exec(*preserved),
            Action::AwaitStart => self.await_start(),
            Action::LoadSeccomp(what) => seccomp::load_filter(
                what,
                self.no_new_privs.as_ref(),
                self.ready.agent.as_ref(),
                &self.site.known,
                &self.ready.proc,
            ),
            Action::Exec { .. } => {
                let program = self.ready.exec.as_ref();
                let program = program.ok_or_else(|| Fault::told("there is no program"))?;
                Err(program.go().into())
            }
        }
    }

    fn mount(&mut self, index: usize, what: &Mount) -> Done {
        self.open_sources()?;
        match &what.source {
            MountSource::New { kind, name, options } => {
                mount::mount_new(self.root()?, what, kind, name, options)
            }
            MountSource::Bind { .. } | MountSource::PodFile(_) | MountSource::Volume { .. } => {
                let source = self.sources()?.take(index)?;
                mount::bind(self.root()?, what, &source)
            }
            MountSource::Cgroups => {
                let own = self.ready.sources.as_ref().ok_or_else(unopened)?.cgroups();
                cgroup_mount::mount(self.root()?, what, self.ready.cgroup.as_ref(), own)
            }
        }
    }

    fn take_terminal(&mut self) -> Done {
        let outline = &self.ready.outline;
        let console = if outline.has_own_root { Console::Bound } else { Console::AsItIs };
        let controller = session::with_terminal(self.root()?, outline.uid, console)?;
        self.terminal = Some(controller);
        Ok(())
    }

    /// Says that everything but the start is done, and waits for it.
    fn await_start(&mut self) -> Done {
        // Ids have changed for the last time: what that has cut is tied again.
        self.tie()?;
        let outline = &self.ready.outline;
        if outline.privilege == Privilege::Root || outline.joins_processes() {
            namespaces::hide()?;
        }
        let terminal = self.terminal.take();
        self.host.tell_with(&Message::Waiting, terminal.as_ref().map(AsFd::as_fd))?;
        drop(terminal);

        match self.ready.gate.take() {
            None => self.await_word(),
            Some(gate) => {
                // Whoever created us is gone soon; whoever starts us is to hear the rest.
                self.host = accept_starter(&gate)?;
                self.await_word()
            }
        }
    }

    fn await_word(&self) -> Done {
        match self.host.listen(None)? {
            Heard::Message(Message::Go, _) => Ok(()),
            Heard::Message(Message::Offer, _) => {
                stockade_sys::ptrace::offer()?;
                self.await_word()
            }
            Heard::Message(..) => Err(Fault::told("the host said something else than to go on")),
            // Nobody is left who could be told.
            Heard::Silence | Heard::Late => exit_now(OURS),
        }
    }

    fn tie(&self) -> Done {
        match self.site.tie {
            Tie::Outlives => Ok(()),
            Tie::DiesWithUs => match die_with_parent(self.ready.us.as_fd())? {
                ParentIs::Alive => Ok(()),
                ParentIs::Gone => exit_now(OURS),
            },
        }
    }

    /// Opens host paths, where the host could not do it for us.
    fn open_sources(&mut self) -> Done {
        if self.ready.sources.is_none() {
            let cgroup = self.ready.cgroup.as_ref();
            let sources = Sources::open(self.plan, self.site, cgroup, Opener::Child);
            match sources {
                Ok(sources) => self.ready.sources = Some(sources),
                Err((index, fault)) => self.give_up(index, fault),
            }
        }
        Ok(())
    }

    fn sources(&mut self) -> Done<&mut Sources> {
        self.open_sources()?;
        self.ready.sources.as_mut().ok_or_else(unopened)
    }

    fn covers(&mut self) -> Done<&mut Covers> {
        if self.covers.is_none() {
            self.covers = Some(Covers::new(self.sources()?.take_null()?));
        }
        self.covers.as_mut().ok_or_else(unopened)
    }

    fn root(&self) -> Done<&Root> {
        self.root.as_ref().ok_or_else(rootless)
    }

    /// Says which step failed and why, and ends.
    fn give_up(&self, index: usize, fault: Fault) -> ! {
        let is_exec =
            self.plan.steps().get(index).is_some_and(|it| matches!(it.action, Action::Exec { .. }));
        let code = match &fault {
            Fault::Kernel(refused) if is_exec => exec::exit_code(*refused),
            Fault::Kernel(_) | Fault::Unsafe(_) => OURS,
        };
        let record = Record::of(self.plan, index, fault.into());
        if self.host.tell(&Message::Failed(record)).is_err() {
            // A filter that is in force by now may forbid it; the code says as much as it can.
        }
        exit_now(code)
    }

    /// For a plan without a workload: waits until the host has what it wants of us.
    fn end(&self) -> ! {
        if self.host.tell(&Message::Finished).is_ok() && self.host.listen(None).is_ok() {
            exit_now(0)
        }
        exit_now(OURS)
    }
}

/// Takes the connection of whoever starts us: a process of the same user.
fn accept_starter(gate: &OwnedFd) -> Done<Channel> {
    loop {
        let connection = accept_with(gate, SocketFlags::CLOEXEC).call("accept4")?;
        let peer = stockade_sys::peer_uid(&connection)?;
        // The directory that the socket is in keeps others away; this is the second lock. A user
        // namespace shows ids of the host that it does not map as one that nobody has.
        if [0, geteuid().as_raw(), OVERFLOW].contains(&peer) {
            return Ok(Channel::new(connection));
        }
    }
}

fn unopened() -> Fault {
    Fault::told("host paths were not opened")
}

fn rootless() -> Fault {
    Fault::told("there is no root yet")
}

/// The code of a process that ends through us.
const OURS: u8 = 125;
const OVERFLOW: u32 = 65_534;
