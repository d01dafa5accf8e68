//! From created to running.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, WaitIdStatus, geteuid};
use stockade_abi::bpf::Program;
use stockade_sys::ptrace::{Awaited, Purpose, Stopped, Tracee};
use stockade_sys::{Calls, Refused};
use thiserror::Error;

use crate::apply::{Created, in_words, kill_and_reap};
use crate::channel::{Channel, Heard, Message, readable_within};
use crate::fault::{Because, StepFailed};

/// Whether a process is held at its first instruction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// It runs.
    No,
    /// It stands when its program is there and has not run, to be looked at.
    AtExec,
}

/// A process whose program is there.
#[derive(Debug)]
pub enum Started {
    /// It runs.
    Running(Running),
    /// It stands at its first instruction.
    Held(Held),
}

/// A process that runs its program. It is the caller's child, to be waited for.
#[derive(Debug)]
pub struct Running {
    /// Its number in our PID namespace.
    pub pid: i32,
    /// The process for good.
    pub pidfd: OwnedFd,
}

/// A process that stands at the first instruction of its program. Dropped, it is killed; it dies
/// with us, too.
#[derive(Debug)]
pub struct Held {
    stopped: Stopped,
    running: Running,
}

/// Why a created process did not start. It is gone, and so is what was made for it.
#[derive(Debug, Error)]
pub enum NotStarted {
    /// One of its last steps could not be done: the filter, the capabilities, the program itself.
    #[error(transparent)]
    Step(#[from] StepFailed),
    /// It ended without a word, as one does that its own filter kills.
    #[error("the process ended before its program began: {}", how(.0.as_ref()))]
    Ended(Option<WaitIdStatus>),
    /// Its program was not there in time.
    #[error("the program did not begin within {0:?}")]
    Late(Duration),
    /// It could not be held or spoken to.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Created {
    /// Gives the word to start, and waits until the program is there.
    ///
    /// # Errors
    ///
    /// Why it is not. The process and what was made for it are gone.
    pub fn start(mut self, hold: Hold) -> Result<Started, NotStarted> {
        match self.start_or_not(hold) {
            Ok(started) => {
                self.keep();
                Ok(started)
            }
            Err(NotStarted::Ended(None)) => Err(NotStarted::Ended(self.end())),
            Err(why) => {
                self.end();
                Err(why)
            }
        }
    }

    fn start_or_not(&mut self, hold: Hold) -> Result<Started, NotStarted> {
        let channel = self.channel.take().ok_or(NotStarted::Ended(None))?;
        let tracee = match hold {
            Hold::No => None,
            Hold::AtExec => Some(self.trace(&channel)?),
        };
        channel.tell(&Message::Go)?;

        let Some(tracee) = tracee else {
            self.hear(&channel)?;
            return Ok(Started::Running(self.running()?));
        };
        match tracee.wait_for_exec(PATIENCE)? {
            Awaited::Stopped(stopped) => {
                Ok(Started::Held(Held { stopped, running: self.running()? }))
            }
            Awaited::Ended(_) => {
                self.hear(&channel)?;
                Err(NotStarted::Ended(None))
            }
            Awaited::TimedOut(tracee) => {
                tracee.kill()?;
                Err(NotStarted::Late(PATIENCE))
            }
        }
    }

    /// A process that hides among others, made without privilege, hides from us, too. It can offer
    /// itself, which holds it no less.
    fn trace(&self, channel: &Channel) -> Result<Tracee, NotStarted> {
        match Tracee::seize(self.pid, Purpose::HoldAtExec) {
            Err(refused) if refused.errno == NOT_PERMITTED && self.hides => {
                channel.tell(&Message::Offer)?;
                Ok(Tracee::accept(self.pid, PATIENCE)?)
            }
            seized => Ok(seized?),
        }
    }

    /// Waits for the end of the channel, which is the `execve`, or for bad news.
    fn hear(&self, channel: &Channel) -> Result<(), NotStarted> {
        match channel.listen(Some(PATIENCE))? {
            Heard::Silence => Ok(()),
            Heard::Message(Message::Failed(record), _) => Err(self.later.failed(record).into()),
            Heard::Message(..) => Err(NotStarted::Ended(None)),
            Heard::Late => Err(NotStarted::Late(PATIENCE)),
        }
    }

    fn running(&mut self) -> Result<Running, NotStarted> {
        let pidfd = self.pidfd.take().ok_or(NotStarted::Ended(None))?;
        Ok(Running { pid: self.pid(), pidfd })
    }
}

impl Held {
    /// Its number in our PID namespace.
    pub const fn pid(&self) -> i32 {
        self.running.pid
    }

    /// Its seccomp filters, in the order in which they were loaded, from the kernel.
    ///
    /// # Errors
    ///
    /// `EACCES` without `CAP_SYS_ADMIN` in the initial user namespace, or if we are filtered
    /// ourselves.
    pub fn filters(&self) -> Result<Vec<Program>, Refused> {
        self.stopped.filters()
    }

    /// Lets it run.
    ///
    /// # Errors
    ///
    /// `ESRCH`: somebody has killed it meanwhile.
    pub fn release(self) -> Result<Running, Refused> {
        self.stopped.release()?;
        Ok(self.running)
    }

    /// Kills it and takes its status: nothing of its program has run.
    ///
    /// # Errors
    ///
    /// None; that it was dead already is none.
    pub fn kill(self) -> Result<(), Refused> {
        let killed = self.stopped.kill();
        kill_and_reap(&self.running.pidfd);
        match killed {
            Err(refused) if refused.errno != GONE => Err(refused),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Gives the word to start to a process that waits at a [`Gate::Socket`](crate::Gate::Socket), and
/// waits until its program is there.
///
/// # Errors
///
/// - [`NotStarted::Step`]: a last step failed; the process has ended.
/// - [`NotStarted::Refused`] with `ENOENT` or `ECONNREFUSED`: nobody waits there.
/// - [`NotStarted::Late`]: the program is not there yet.
pub fn give_word(gate: &Path) -> Result<(), NotStarted> {
    let channel = knock(gate)?;
    channel.tell(&Message::Go)?;
    hear_at_gate(&channel)
}

/// The same for a process that somebody else made, which is then held at its first instruction.
pub(crate) fn give_word_and_hold(
    gate: &Path,
    pid: Pid,
    pidfd: OwnedFd,
) -> Result<Held, NotStarted> {
    let channel = knock(gate)?;
    let tracee = Tracee::seize(pid, Purpose::HoldAtExec)?;
    if readable_within(pidfd.as_fd(), Duration::ZERO)? {
        // Its number may have been given to another process by the time that it was seized.
        return Err(NotStarted::Ended(None));
    }
    channel.tell(&Message::Go)?;
    match tracee.wait_for_exec(PATIENCE)? {
        Awaited::Stopped(stopped) => {
            let pid = pid.as_raw_nonzero().get();
            Ok(Held { stopped, running: Running { pid, pidfd } })
        }
        Awaited::Ended(status) => {
            hear_at_gate(&channel)?;
            Err(NotStarted::Ended(Some(status)))
        }
        Awaited::TimedOut(tracee) => {
            tracee.kill()?;
            Err(NotStarted::Late(PATIENCE))
        }
    }
}

/// Connects to the process that waits at a gate.
fn knock(gate: &Path) -> Result<Channel, NotStarted> {
    let flags = SocketFlags::CLOEXEC;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).call("socket")?;
    let address = SocketAddrUnix::new(gate).call("connect (path too long)")?;
    connect(&socket, &address).call("connect")?;
    // That of the process which made the gate.
    let peer = stockade_sys::peer_uid(&socket)?;
    if peer != 0 && peer != geteuid().as_raw() {
        let errno = rustix::io::Errno::PERM;
        return Err(Refused::from_rustix("connect (another user's gate)", errno).into());
    }
    Ok(Channel::new(socket))
}

fn hear_at_gate(channel: &Channel) -> Result<(), NotStarted> {
    match channel.listen(Some(PATIENCE))? {
        Heard::Silence => Ok(()),
        Heard::Late => Err(NotStarted::Late(PATIENCE)),
        Heard::Message(Message::Failed(record), _) => Err(NotStarted::Step(StepFailed {
            number: usize::try_from(record.index).unwrap_or(usize::MAX).saturating_add(1),
            of: usize::try_from(record.of).unwrap_or(usize::MAX),
            doing: record.doing,
            cause: record.cause,
            because: Because::Told(record.because),
        })),
        Heard::Message(..) => Err(NotStarted::Ended(None)),
    }
}

fn how(status: Option<&WaitIdStatus>) -> impl fmt::Display + use<> {
    status.map_or_else(|| "nobody knows how".to_owned(), in_words)
}

/// How long the last steps may take. The program is read from the container's own file systems.
const PATIENCE: Duration = Duration::from_secs(30);
const GONE: stockade_abi::Errno = stockade_abi::Errno(3);
const NOT_PERMITTED: stockade_abi::Errno = stockade_abi::Errno(1);
