//! Signals: waiting for them without handlers, and forgetting what a program did about them.
//!
//! There are no signal handlers in this product. A supervisor blocks what it wants to know of and
//! reads it from a descriptor that it can poll beside its others.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::Refused;

/// A signal that arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrived {
    /// Which one.
    pub signal: Signal,
    /// Who sent it, or for `SIGCHLD` whose state changed; `None` if that is not in our PID namespace
    /// or it was the kernel. Signals of one kind are merged, so one `SIGCHLD` says "look at the
    /// children" and never "only at this one".
    pub pid: Option<Pid>,
    /// The real user id of the sender, as mapped in our user namespace.
    pub uid: u32,
    /// `si_code`: `SI_USER` is 0, the kernel's own are positive.
    pub code: i32,
}

/// Blocks signals for the calling thread and returns a descriptor from which they can be read.
///
/// Children inherit the blocked set across birth and `execve`: they call [`reset_signals`]. The
/// descriptor is close-on-exec and does not block.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`: too many open files.
///
/// # Kernel
///
/// signalfd(2), rt_sigprocmask(2).
pub fn block_and_watch(signals: &[Signal]) -> Result<OwnedFd, Refused> {
    let mask = Mask::of(signals);
    mask.block()?;

    // SAFETY: the mask is a kernel signal set of the size that is passed, borrowed for the call and
    // only read. -1 asks for a new descriptor.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const mask,
            size_of::<Mask>(),
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )
    };
    match i32::try_from(fd) {
        // SAFETY: the call succeeded, so this is a new descriptor that nobody else knows of.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Refused::now("signalfd4")),
    }
}

/// Takes one signal from a descriptor of [`block_and_watch`]; `None` if none is waiting.
///
/// # Errors
///
/// `EINVAL`, `EBADF`: `watched` is no such descriptor.
///
/// # Kernel
///
/// signalfd(2): `struct signalfd_siginfo`, 128 bytes.
pub fn read(watched: impl AsFd) -> Result<Option<Arrived>, Refused> {
    let mut record = [0_u8; 128];
    match rustix::io::read(watched, &mut record) {
        Ok(length) if length == record.len() => {}
        Ok(_) => return Err(Refused::from_rustix("read(signalfd)", rustix::io::Errno::INVAL)),
        Err(rustix::io::Errno::AGAIN) => return Ok(None),
        Err(errno) => return Err(Refused::from_rustix("read(signalfd)", errno)),
    }
    let word = |at: usize| {
        let bytes = record[at..at + 4].try_into().expect("four bytes");
        i32::from_ne_bytes(bytes)
    };
    let signal = from_number(word(0))
        .ok_or(Refused::from_rustix("read(signalfd)", rustix::io::Errno::INVAL))?;
    Ok(Some(Arrived {
        signal,
        code: word(8),
        pid: Pid::from_raw(word(12)),
        uid: word(16).cast_unsigned(),
    }))
}

/// Gives every signal its default disposition and blocks none: what a new program expects.
///
/// `execve` resets handlers by itself, but ignored signals (Rust programs ignore `SIGPIPE`) and the
/// blocked set are inherited.
///
/// # Errors
///
/// None, short of a seccomp filter that denies the calls.
///
/// # Kernel
///
/// rt_sigaction(2), rt_sigprocmask(2); directly, because C libraries keep some signals to
/// themselves.
pub fn reset_signals() -> Result<(), Refused> {
    reset_ignored(u64::MAX)
}

/// As [`reset_signals`], where it is known which signals are ignored: bit 0 is signal 1, as in
/// `SigIgn` of `/proc/<pid>/status`. Spares a system call for each of the others.
///
/// # Errors
///
/// As [`reset_signals`].
///
/// # Kernel
///
/// As [`reset_signals`].
pub fn reset_ignored(ignored: u64) -> Result<(), Refused> {
    let may_change = |it: &libc::c_int| ![libc::SIGKILL, libc::SIGSTOP].contains(it);
    let is_ignored = |it: &libc::c_int| ignored >> (it - 1) & 1 == 1;
    for signal in (1..=LAST).filter(may_change).filter(is_ignored) {
        // A kernel `sigaction` of zeros: SIG_DFL, no flags, no restorer, empty mask. No
        // architecture's is larger.
        let default = [0_u64; 4];
        // SAFETY: the structure is borrowed for the call and only read; nothing is written through
        // the null pointer. Default dispositions run no code of ours, so no handler can be left
        // half installed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null::<u64>(),
                size_of::<Mask>(),
            )
        };
        if result != 0 {
            return Err(Refused::now("rt_sigaction"));
        }
    }
    Mask::of(&[]).set()
}

/// The signal with a number: one that has a name, or a real-time one that the C library leaves to
/// programs.
pub fn from_number(number: i32) -> Option<Signal> {
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    Signal::from_named_raw(number).or_else(|| {
        real_time.contains(&number).then(|| {
            // SAFETY: the number is a signal's and not 0. Trouble would come of the ones that the
            // C library's threads use among themselves, which lie below its SIGRTMIN.
            unsafe { Signal::from_raw_unchecked(number) }
        })
    })
}

/// What came of waiting for a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// One was there and is not any more.
    Signal,
    /// The time was over, or a handler of another signal ran.
    Nothing,
}

/// A kernel signal set: bit 0 is signal 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(transparent)]
pub(crate) struct Mask(u64);

impl Mask {
    /// Every signal that can be blocked.
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) fn of(signals: &[Signal]) -> Self {
        Self(signals.iter().fold(0, |bits, signal| bits | 1 << (signal.as_raw() - 1)))
    }

    /// Blocks these too. Returns what was blocked before.
    pub(crate) fn block(self) -> Result<Self, Refused> {
        self.apply(libc::SIG_BLOCK)
    }

    /// Blocks exactly these.
    pub(crate) fn set(self) -> Result<(), Refused> {
        self.apply(libc::SIG_SETMASK).map(|_| ())
    }

    /// Waits for one of these, which must be blocked, and takes it.
    pub(crate) fn wait(self, at_most: Duration) -> Result<Taken, Refused> {
        // `struct timespec` of 64-bit kernels; the C libraries do not agree on its types.
        let at_most = [
            i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
            i64::from(at_most.subsec_nanos()),
        ];
        // SAFETY: set and time are borrowed for the call and only read; nothing is written through
        // the null pointer.
        let signal = unsafe {
            libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const self,
                ptr::null::<libc::siginfo_t>(),
                at_most.as_ptr(),
                size_of::<Self>(),
            )
        };
        if let Ok(1..=LAST) = i32::try_from(signal) {
            return Ok(Taken::Signal);
        }
        let refused = Refused::now("rt_sigtimedwait");
        match i32::from(refused.errno.0) {
            libc::EAGAIN | libc::EINTR => Ok(Taken::Nothing),
            _ => Err(refused),
        }
    }

    fn apply(self, how: libc::c_int) -> Result<Self, Refused> {
        let mut before = Self(0);
        // SAFETY: both sets are of the size that is passed and borrowed for the call. Blocking a
        // signal runs no code of ours.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                how,
                &raw const self,
                &raw mut before,
                size_of::<Self>(),
            )
        };
        if result == 0 { Ok(before) } else { Err(Refused::now("rt_sigprocmask")) }
    }
}

const _: () = assert!(cfg!(target_pointer_width = "64"));

/// `_NSIG`.
const LAST: i32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_signal_is_read_and_not_delivered() {
        // The mask is this thread's, and the signal is sent to this thread only.
        let watched = block_and_watch(&[Signal::USR1, Signal::HUP]).unwrap();
        assert_eq!(read(&watched).unwrap(), None);

        // SAFETY: sends a signal that is blocked.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        let arrived = read(&watched).unwrap().unwrap();
        assert_eq!(arrived.signal, Signal::USR1);
        assert_eq!(arrived.pid, Some(rustix::process::getpid()));
        assert_eq!(arrived.uid, rustix::process::getuid().as_raw());
        assert_eq!(read(&watched).unwrap(), None);
    }

    #[test]
    fn a_descriptor_of_another_kind_is_refused() {
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        assert_eq!(i32::from(read(&zeros).unwrap_err().errno.0), libc::EINVAL);
    }

    #[test]
    fn numbers_are_signals_if_a_program_may_use_them() {
        for (number, valid) in
            [(0, false), (1, true), (15, true), (31, true), (32, false), (64, true), (65, false)]
        {
            assert_eq!(from_number(number).is_some(), valid, "{number}");
        }
    }
}
