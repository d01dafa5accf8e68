//! The supervisor's side of user notification: being asked about system calls, and answering.
//!
//! A filter that was loaded [with a listener](super::load_with_listener) can leave a call to whoever
//! holds the descriptor: the caller sleeps in the kernel until there is an answer. What this module
//! adds to the kernel's interface is the order in which it is safe to use.
//!
//! - A [`Notification`] borrows its [`Listener`] and is used up by its one answer. Dropped without
//!   one it is answered as the kernel does when nobody listens, with `ENOSYS`.
//! - The id of the process is not handed out. Whoever looks at it does so within
//!   [`Notification::look`], and has what was seen only if the caller was still waiting *after* the
//!   look; until then its id could not become somebody else's.
//!
//! What it does *not* know: what is asked about and what is right to answer.
//!
//! # What no order makes safe
//!
//! Memory that a call points to belongs to its caller, who may change it (from another thread, by
//! shared memory) after it was read. An answer that the supervisor acts out itself, on its own copy,
//! is safe. [`Notification::let_continue`] is not a decision about anything that lies behind a
//! pointer: the kernel reads it again.
//!
//! Source: seccomp_unotify(2).

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Raw;
use rustix::process::Pid;
use stockade_abi::Errno;

use crate::Refused;

mod memory;
mod record;

use record::Padded;

/// The descriptor on which a supervisor is asked.
///
/// To have one means that the descriptor is a listener of seccomp and that the kernel's records fit
/// ours. When the last copy of the descriptor is closed, every call that waits and every later one
/// fails with `ENOSYS`: closed, not open.
#[derive(Debug)]
pub struct Listener(OwnedFd);

/// What came of waiting for a question.
#[derive(Debug)]
pub enum Next<'listener> {
    /// A call waits for its answer.
    Asked(Notification<'listener>),
    /// No process has the filter any more. Nothing will ever be asked.
    AllGone,
    /// The time was over.
    TimedOut,
}

/// Whether an answer found somebody.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answered {
    /// The caller has it.
    Delivered,
    /// The caller was killed, or a signal interrupted the call: it will ask anew, or not.
    CallerGone,
}

/// What is asked: `struct seccomp_data`, as the caller's registers had it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Question {
    /// The number of the system call, x32's with bit 30.
    pub number: u32,
    /// `AUDIT_ARCH_*`: whose table the number belongs to.
    pub audit_architecture: u32,
    /// Where the call was made.
    pub instruction_pointer: u64,
    /// The six argument registers. What a pointer among them points to is the caller's to change.
    pub arguments: [u64; 6],
}

/// A system call that waits for an answer.
#[derive(Debug)]
pub struct Notification<'listener> {
    listener: &'listener Listener,
    id: u64,
    pid: Option<Pid>,
    question: Question,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Waiting,
    Answered,
}

impl Listener {
    /// Takes a descriptor that [`load_with_listener`](super::load_with_listener) made, perhaps in
    /// another process.
    ///
    /// # Errors
    ///
    /// - `ENOTTY`, `EINVAL`: it is something else.
    /// - `E2BIG`: the kernel's records are larger than this build has room for.
    /// - `ENOSYS`, `EINVAL` from `seccomp`: a kernel without user notification.
    ///
    /// # Kernel
    ///
    /// Linux 5.9 (before, `SECCOMP_IOCTL_NOTIF_ID_VALID` had another number and nothing told that
    /// all processes had ended).
    pub fn over(fd: OwnedFd) -> Result<Self, Refused> {
        record::fit()?;
        // Valid or not: only a listener knows the question.
        record::is_valid(fd.as_fd(), 0)?;
        Ok(Self(fd))
    }

    /// Waits for a call; `None` waits for ever. Calls whose callers died before they could be taken
    /// are skipped.
    ///
    /// Where several threads wait at one listener, one of them may have to wait longer than `within`:
    /// the kernel tells all of them of one call.
    ///
    /// # Errors
    ///
    /// None for a listener, short of a lack of memory.
    ///
    /// # Kernel
    ///
    /// poll(2), `SECCOMP_IOCTL_NOTIF_RECV` of seccomp_unotify(2). Signals that this process handles
    /// do not end the waiting.
    pub fn next(&self, within: Option<Duration>) -> Result<Next<'_>, Refused> {
        let deadline = within.map(|it| Instant::now() + it);
        loop {
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            let left = left.and_then(|it| Timespec::try_from(it).ok());
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, left.as_ref()) {
                Ok(0) => return Ok(Next::TimedOut),
                Ok(_) => {}
                Err(Raw::INTR) => continue,
                Err(errno) => return Err(Refused::from_rustix("poll(listener)", errno)),
            }
            let ready = fds[0].revents();
            if ready.contains(PollFlags::IN) {
                if let Some(notification) = self.receive()? {
                    return Ok(Next::Asked(notification));
                }
            } else if ready.contains(PollFlags::HUP) {
                return Ok(Next::AllGone);
            }
        }
    }

    /// `None` if whoever asked is gone.
    fn receive(&self) -> Result<Option<Notification<'_>>, Refused> {
        // The kernel wants it to be all zeros, also on a second attempt.
        let mut record = Padded::zeroed();
        match record::receive(self.as_fd(), &mut record) {
            Ok(()) => {}
            Err(refused) if is(refused, Raw::NOENT) || is(refused, Raw::INTR) => return Ok(None),
            Err(refused) => return Err(refused),
        }
        let libc::seccomp_notif { id, pid, data, .. } = record.record;
        Ok(Some(Notification {
            listener: self,
            id,
            pid: Pid::from_raw(pid.cast_signed()),
            question: Question {
                number: data.nr.cast_unsigned(),
                audit_architecture: data.arch,
                instruction_pointer: data.instruction_pointer,
                arguments: data.args,
            },
            state: State::Waiting,
        }))
    }
}

impl AsFd for Listener {
    /// To be polled beside others: readable when somebody asks, hung up when nobody ever will.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Notification<'_> {
    /// What is asked.
    pub const fn question(&self) -> Question {
        self.question
    }

    /// Looks at the caller: `look` gets the id of its thread in our PID namespace. `None` if the
    /// caller did not wait any more when `look` was over. What was seen may then have been another
    /// process, and is thrown away.
    ///
    /// # Errors
    ///
    /// `ESRCH`: our PID namespace does not show the caller.
    ///
    /// # Kernel
    ///
    /// `SECCOMP_IOCTL_NOTIF_ID_VALID` of seccomp_unotify(2). The number of a notification is never
    /// used twice, so one check after the look says that the caller has waited all along.
    pub fn look<T>(&self, look: impl FnOnce(Pid) -> T) -> Result<Option<T>, Refused> {
        let pid = self.pid.ok_or(Refused::from_rustix(LOOK, Raw::SRCH))?;
        let seen = look(pid);
        Ok(self.is_waiting()?.then_some(seen))
    }

    /// Reads memory of the caller into `buffer`, as far as it is mapped; how many bytes. `None`, and
    /// a buffer of zeros, if the caller is gone.
    ///
    /// # Errors
    ///
    /// - `EFAULT`: not even the first byte can be read.
    /// - `EPERM`: we may not look into the caller (`PTRACE_MODE_ATTACH` of ptrace(2)).
    /// - `ESRCH`: our PID namespace does not show the caller.
    ///
    /// # Kernel
    ///
    /// Linux 3.2, process_vm_readv(2).
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<Option<usize>, Refused> {
        let length = self.look(|pid| memory::read(pid, address, buffer));
        if !matches!(length, Ok(Some(Ok(_)))) {
            // It may be another process's.
            buffer.fill(0);
        }
        length?.transpose()
    }

    /// Reads a string of the caller, such as a path, up to its NUL. `None` if the caller is gone.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); and `ENAMETOOLONG` if there is no NUL within `limit` bytes.
    pub fn read_string(&self, address: u64, limit: usize) -> Result<Option<CString>, Refused> {
        self.look(|pid| memory::read_string(pid, address, limit))?.transpose()
    }

    /// Makes the call fail.
    ///
    /// # Errors
    ///
    /// `EINVAL`: `errno` is not a number of an error (1 to 4095), and the call would have succeeded;
    /// it fails with `ENOSYS`.
    ///
    /// # Kernel
    ///
    /// Linux 5.0, `SECCOMP_IOCTL_NOTIF_SEND`.
    pub fn refuse(self, errno: Errno) -> Result<Answered, Refused> {
        if !(1..=4095).contains(&errno.0) {
            return Err(Refused::from_rustix(record::SEND, Raw::INVAL));
        }
        self.answer(0, -i32::from(errno.0), 0)
    }

    /// Makes the call return `value` without having been made: the supervisor did what was asked.
    ///
    /// The value reaches the caller's register as it is, so that -4095 to -1 look like an error.
    ///
    /// # Errors
    ///
    /// None for a listener.
    ///
    /// # Kernel
    ///
    /// Linux 5.0, `SECCOMP_IOCTL_NOTIF_SEND`.
    pub fn succeed(self, value: i64) -> Result<Answered, Refused> {
        self.answer(value, 0, 0)
    }

    /// Has the kernel make the call, with the registers that were asked about and with whatever its
    /// pointers point to *by then*.
    ///
    /// For calls that are allowed whatever the memory says. It cannot be used to decide on a path or
    /// on any other thing behind a pointer.
    ///
    /// # Errors
    ///
    /// `EINVAL`: a kernel that does not know it.
    ///
    /// # Kernel
    ///
    /// Linux 5.5, `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
    pub fn let_continue(self) -> Result<Answered, Refused> {
        self.answer(0, 0, CONTINUE)
    }

    /// Gives the caller a copy of `fd`, close-on-exec, and leaves the call to be answered: the number
    /// that the copy has there. `None` if the caller is gone.
    ///
    /// Between this and the answer the caller may be killed or interrupted; after an interruption it
    /// asks again and has one descriptor more. [`give`](Self::give) has no such gap.
    ///
    /// # Errors
    ///
    /// - `EMFILE`: the caller has no number left.
    /// - `EINVAL`: a kernel that does not know it.
    ///
    /// # Kernel
    ///
    /// Linux 5.9, `SECCOMP_IOCTL_NOTIF_ADDFD`.
    pub fn add_fd(&self, fd: impl AsFd) -> Result<Option<RawFd>, Refused> {
        self.send_fd(fd.as_fd(), None)
    }

    /// As [`add_fd`](Self::add_fd), under a number of ours, which the kernel closes first.
    ///
    /// # Errors
    ///
    /// As [`add_fd`](Self::add_fd); and `EBADF` if the number is beyond the caller's limit.
    ///
    /// # Kernel
    ///
    /// Linux 5.9, `SECCOMP_ADDFD_FLAG_SETFD`.
    pub fn add_fd_at(&self, fd: impl AsFd, number: u32) -> Result<Option<RawFd>, Refused> {
        self.send_fd(fd.as_fd(), Some(number))
    }

    /// Gives the caller a copy of `fd`, close-on-exec, and answers the call with its number, in one
    /// step.
    ///
    /// # Errors
    ///
    /// As [`add_fd`](Self::add_fd); the call then fails with `ENOSYS`.
    ///
    /// # Kernel
    ///
    /// Linux 5.14, `SECCOMP_ADDFD_FLAG_SEND`.
    pub fn give(mut self, fd: impl AsFd) -> Result<Answered, Refused> {
        let record = self.with_fd(fd.as_fd(), None);
        match unless_gone(record::give_fd(self.listener.as_fd(), record))? {
            Some(_) => {
                self.state = State::Answered;
                Ok(Answered::Delivered)
            }
            None => Ok(Answered::CallerGone),
        }
    }

    fn send_fd(&self, fd: BorrowedFd<'_>, number: Option<u32>) -> Result<Option<RawFd>, Refused> {
        unless_gone(record::add_fd(self.listener.as_fd(), self.with_fd(fd, number)))
    }

    fn with_fd(&self, fd: BorrowedFd<'_>, number: Option<u32>) -> libc::seccomp_notif_addfd {
        libc::seccomp_notif_addfd {
            id: self.id,
            flags: number.map_or(0, |_| libc::SECCOMP_ADDFD_FLAG_SETFD as u32),
            srcfd: fd.as_raw_fd().cast_unsigned(),
            newfd: number.unwrap_or_default(),
            newfd_flags: libc::O_CLOEXEC.cast_unsigned(),
        }
    }

    fn is_waiting(&self) -> Result<bool, Refused> {
        record::is_valid(self.listener.as_fd(), self.id)
    }

    fn answer(mut self, val: i64, error: i32, flags: u32) -> Result<Answered, Refused> {
        let response = libc::seccomp_notif_resp { id: self.id, val, error, flags };
        let sent = unless_gone(record::send(self.listener.as_fd(), response))?;
        self.state = State::Answered;
        Ok(sent.map_or(Answered::CallerGone, |()| Answered::Delivered))
    }
}

impl Drop for Notification<'_> {
    fn drop(&mut self) {
        if self.state == State::Waiting {
            let response =
                libc::seccomp_notif_resp { id: self.id, val: 0, error: -libc::ENOSYS, flags: 0 };
            // It fails only for a caller that is gone, who needs no answer.
            record::send(self.listener.as_fd(), response).ok();
        }
    }
}

/// The kernel's word for a caller that does not wait any more.
fn unless_gone<T>(result: Result<T, Refused>) -> Result<Option<T>, Refused> {
    match result {
        Ok(it) => Ok(Some(it)),
        Err(refused) if is(refused, Raw::NOENT) => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn is(refused: Refused, errno: Raw) -> bool {
    i32::from(refused.errno.0) == errno.raw_os_error()
}

const LOOK: &str = "seccomp_unotify(pid)";
const CONTINUE: u32 = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
