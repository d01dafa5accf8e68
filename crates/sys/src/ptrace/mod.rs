//! Holding a process at its exec, and reading its seccomp filters back.
//!
//! ```text
//! seize or accept ─▶ Tracee (runs) ─ wait_for_exec, interrupt ─▶ Stopped ─ filters ─▶ release or kill
//! ```
//!
//! A process that hides from its user's other processes (`PR_SET_DUMPABLE`) hides from an ordinary
//! user's tracer, too. It can still [`offer`] itself to its parent, who accepts.
//!
//! What holds a container at its exec must not let it go by mistake. A [`Tracee`] or [`Stopped`]
//! with [`Purpose::HoldAtExec`] that is dropped, by an early return for instance, kills the
//! process; so does the death of the tracer. Only [`Stopped::release`] lets it run.
//!
//! The kernel ties a tracee to the *thread* that seized it, so these values cannot be sent.

mod request;
mod wait;

use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal,
    waitid,
};
use stockade_abi::bpf::{Instruction, Program};

use self::request::{Request, request};
use self::wait::{Event, GONE, Stop, WALL, await_event};
use crate::{Calls, Refused};

/// What a process is seized for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It stops when its next `execve` has succeeded, before an instruction of the new program has
    /// run, and dies with its tracer.
    HoldAtExec,
    /// It is looked at for a moment and runs on, whatever becomes of its tracer.
    Look,
}

/// A seized process that runs.
#[derive(Debug)]
#[must_use = "dropped, it is killed or let go"]
pub struct Tracee(Seized);

/// A seized process that stands still.
#[derive(Debug)]
#[must_use = "dropped, it is killed or let go"]
pub struct Stopped(Seized);

/// What became of waiting.
#[derive(Debug)]
pub enum Awaited {
    /// It stands where it was waited for.
    Stopped(Stopped),
    /// It ended before. If it is our child, its status has not been taken: who reaps children sees
    /// it.
    Ended(WaitIdStatus),
    /// The time was over.
    TimedOut(Tracee),
}

impl Tracee {
    /// Seizes a process without stopping it.
    ///
    /// The caller knows that `pid` is still the process it means: its own child, not reaped.
    ///
    /// # Errors
    ///
    /// - `EPERM`: traced by another; not ours to trace (another user's, more capabilities, Yama's
    ///   `ptrace_scope`, not dumpable, a security module).
    /// - `ESRCH`: it has ended.
    ///
    /// # Kernel
    ///
    /// `PTRACE_SEIZE` of ptrace(2), Linux 3.4; `PTRACE_O_EXITKILL`, 3.8.
    pub fn seize(pid: Pid, purpose: Purpose) -> Result<Self, Refused> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).call("pidfd_open")?;
        let options = match purpose {
            Purpose::HoldAtExec => TRACEEXEC | EXITKILL,
            Purpose::Look => 0,
        };
        // Asked while only a parent gets an answer: from then on, a tracer gets one as well.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT | WALL;
        let child_of = match waitid(WaitId::PidFd(pidfd.as_fd()), ended) {
            Ok(_) => ChildOf::Us,
            Err(rustix::io::Errno::CHILD) => ChildOf::Another,
            Err(errno) => return Err(Refused::from_rustix("waitid", errno)),
        };
        request(Request::Seize, pid, options)?;
        let fate = Fate::Open;
        Ok(Self(Seized { pid, pidfd, purpose, child_of, fate, thread: PhantomData }))
    }

    /// Takes a child that [`offer`]s itself, to be held at its exec.
    ///
    /// # Errors
    ///
    /// `ECHILD`: it is no child of ours. `ETIMEDOUT`: it has not offered itself. `ESRCH`: it has
    /// ended.
    ///
    /// # Kernel
    ///
    /// `PTRACE_SETOPTIONS` of ptrace(2).
    pub fn accept(pid: Pid, at_most: Duration) -> Result<Self, Refused> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).call("pidfd_open")?;
        let purpose = Purpose::HoldAtExec;
        let (child_of, fate) = (ChildOf::Us, Fate::Open);
        let seized = Seized { pid, pidfd, purpose, child_of, fate, thread: PhantomData };
        match await_event(&seized, Stop::Offer, at_most)? {
            Event::Stopped => {}
            Event::Ended(_) => return Err(Refused::from_rustix("waitid", rustix::io::Errno::SRCH)),
            Event::TimedOut => {
                return Err(Refused::from_rustix("waitid", rustix::io::Errno::TIMEDOUT));
            }
        }
        request(Request::SetOptions, pid, TRACEEXEC | EXITKILL)?;
        request(Request::Cont, pid, 0)?;
        Ok(Self(seized))
    }

    /// Waits until the process has executed a program. What happens before is as without a tracer:
    /// signals are delivered, job control stops it and lets it go on.
    ///
    /// # Errors
    ///
    /// Those of waitid(2) and ptrace(2) that a seized process does not cause: `EPERM` of a filter.
    ///
    /// # Kernel
    ///
    /// `PTRACE_EVENT_EXEC` of ptrace(2).
    pub fn wait_for_exec(self, at_most: Duration) -> Result<Awaited, Refused> {
        wait(self.0, Stop::Exec, at_most)
    }

    /// Stops the process where it is.
    ///
    /// # Errors
    ///
    /// As [`Tracee::wait_for_exec`].
    ///
    /// # Kernel
    ///
    /// `PTRACE_INTERRUPT` of ptrace(2).
    pub fn interrupt(self, at_most: Duration) -> Result<Awaited, Refused> {
        match request(Request::Interrupt, self.0.pid, 0) {
            // It has ended; waiting tells how.
            Err(refused) if refused.errno != GONE => Err(refused),
            Ok(()) | Err(_) => wait(self.0, Stop::Interrupt, at_most),
        }
    }

    /// Kills the process.
    ///
    /// # Errors
    ///
    /// `EPERM`: it has become more privileged than we are. `ESRCH`: it has ended.
    ///
    /// # Kernel
    ///
    /// pidfd_send_signal(2).
    pub fn kill(mut self) -> Result<(), Refused> {
        self.0.kill()
    }
}

/// Lets our parent trace this process, and stops until the parent [accepts](Tracee::accept).
///
/// # Errors
///
/// `EPERM`: the parent has no rights over us (not even as owner of our user namespace), or traces
/// us already.
///
/// # Kernel
///
/// `PTRACE_TRACEME` of ptrace(2). Unlike `PTRACE_SEIZE` it does not ask whether we are dumpable: it
/// is we who ask.
pub fn offer() -> Result<(), Refused> {
    let ourselves = rustix::process::getpid();
    request(Request::TraceMe, ourselves, 0)?;
    rustix::process::kill_process(ourselves, Signal::STOP).call("kill(SIGSTOP)")
}

impl Stopped {
    /// The seccomp filters of the process, in the order in which they were installed.
    ///
    /// # Errors
    ///
    /// - `EACCES`: no `CAP_SYS_ADMIN` in the *initial* user namespace, or this thread itself is
    ///   filtered.
    /// - `EIO`: a kernel without `CONFIG_CHECKPOINT_RESTORE`.
    /// - `EMEDIUMTYPE`: a filter of which the kernel has kept no copy.
    ///
    /// # Kernel
    ///
    /// `PTRACE_SECCOMP_GET_FILTER`, Linux 4.4. Index 0 is the filter that was installed first
    /// (`get_nth_filter` in `kernel/seccomp.c`; ptrace(2) has it the other way round).
    pub fn filters(&self) -> Result<Vec<Program>, Refused> {
        let mut filters = Vec::new();
        loop {
            match self.filter(filters.len())? {
                Some(filter) => filters.push(filter),
                None => return Ok(filters),
            }
        }
    }

    /// Lets the process run on, without a tracer.
    ///
    /// # Errors
    ///
    /// `ESRCH`: it was killed meanwhile.
    ///
    /// # Kernel
    ///
    /// `PTRACE_DETACH` of ptrace(2).
    pub fn release(mut self) -> Result<(), Refused> {
        self.0.fate = Fate::Sealed;
        request(Request::Detach, self.0.pid, 0)
    }

    /// Kills the process where it stands: nothing of its program runs.
    ///
    /// # Errors
    ///
    /// As [`Tracee::kill`].
    ///
    /// # Kernel
    ///
    /// pidfd_send_signal(2).
    pub fn kill(mut self) -> Result<(), Refused> {
        self.0.kill()
    }

    fn filter(&self, index: usize) -> Result<Option<Program>, Refused> {
        let pid = self.0.pid.as_raw_pid();
        // SAFETY: with a null pointer the kernel answers the number of instructions and writes
        // nothing.
        let length = unsafe {
            libc::syscall(libc::SYS_ptrace, SECCOMP_GET_FILTER, pid, index, std::ptr::null::<u8>())
        };
        let Ok(length) = usize::try_from(length) else {
            let refused = Refused::now("ptrace(PTRACE_SECCOMP_GET_FILTER)");
            let no_more = i32::from(refused.errno.0) == libc::ENOENT
                // No filter at all.
                || index == 0 && i32::from(refused.errno.0) == libc::EINVAL;
            return if no_more { Ok(None) } else { Err(refused) };
        };

        let mut instructions = vec![Instruction { code: 0, jt: 0, jf: 0, k: 0 }; length];
        // SAFETY: the kernel writes as many instructions as it has just said: the process stands
        // still, filters are never changed or removed, and another thread of it that forces one on
        // this thread adds it after this index. They have the kernel's layout, which
        // `crate::seccomp` asserts.
        let written = unsafe {
            libc::syscall(
                libc::SYS_ptrace,
                SECCOMP_GET_FILTER,
                pid,
                index,
                instructions.as_mut_ptr(),
            )
        };
        if written < 0 {
            return Err(Refused::now("ptrace(PTRACE_SECCOMP_GET_FILTER)"));
        }
        Ok(Some(Program::new(instructions).expect("the kernel keeps 1 to 4096 instructions")))
    }
}

#[derive(Debug)]
struct Seized {
    pid: Pid,
    pidfd: OwnedFd,
    purpose: Purpose,
    child_of: ChildOf,
    fate: Fate,
    thread: PhantomData<*const ()>,
}

/// Who reaps a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ChildOf {
    Us,
    Another,
}

/// Whether it has been decided what becomes of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Open,
    Sealed,
}

impl Seized {
    fn kill(&mut self) -> Result<(), Refused> {
        self.fate = Fate::Sealed;
        pidfd_send_signal(&self.pidfd, Signal::KILL).call("pidfd_send_signal")
    }
}

impl Drop for Seized {
    fn drop(&mut self) {
        if self.fate == Fate::Sealed {
            return;
        }
        let result = match self.purpose {
            Purpose::HoldAtExec => self.kill(),
            // Only a process that stands still can be let go, and this one may run.
            Purpose::Look => request(Request::Detach, self.pid, 0).or_else(|_| {
                request(Request::Interrupt, self.pid, 0)?;
                await_event(self, Stop::Interrupt, LET_GO_WITHIN)?;
                request(Request::Detach, self.pid, 0)
            }),
        };
        if result.is_err() {
            // It has ended; or it dies, or is let go, with this thread at the latest.
        }
    }
}

fn wait(mut seized: Seized, stop: Stop, at_most: Duration) -> Result<Awaited, Refused> {
    Ok(match await_event(&seized, stop, at_most)? {
        Event::Stopped => Awaited::Stopped(Stopped(seized)),
        Event::TimedOut => Awaited::TimedOut(Tracee(seized)),
        Event::Ended(status) => {
            seized.fate = Fate::Sealed;
            Awaited::Ended(status)
        }
    })
}

const LET_GO_WITHIN: Duration = Duration::from_millis(100);
const TRACEEXEC: libc::c_long = 0x10;
const EXITKILL: libc::c_long = 0x10_0000;
const SECCOMP_GET_FILTER: libc::c_long = 0x420c;
