//! Loading of seccomp filters, and [`notify`]: supervising what they leave to others. Knows nothing
//! of profiles; see `stockade-seccomp`.

use std::marker::PhantomData;
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::thread::CapabilitySet;
use stockade_abi::bpf::{Instruction, Program};

use crate::{Calls, Refused};

pub mod notify;

/// Proof that this thread has given up gaining privileges through `execve`.
///
/// The bit belongs to a thread, so the proof cannot be sent to another one.
#[derive(Debug)]
pub struct NoNewPrivs(PhantomData<*const ()>);

impl NoNewPrivs {
    /// Sets the bit on the calling thread. There is no way to clear it.
    ///
    /// # Errors
    ///
    /// None on Linux 3.5 or later, short of a seccomp filter that denies `prctl`.
    ///
    /// # Kernel
    ///
    /// `PR_SET_NO_NEW_PRIVS` of prctl(2).
    pub fn set() -> Result<Self, Refused> {
        rustix::thread::set_no_new_privs(true).call("prctl(PR_SET_NO_NEW_PRIVS)")?;
        Ok(Self(PhantomData))
    }
}

/// Proof that this thread has had `CAP_SYS_ADMIN` in its user namespace.
///
/// The capability can be given up afterwards; the kernel then answers with `EACCES`.
#[derive(Debug)]
pub struct SysAdmin(PhantomData<*const ()>);

impl SysAdmin {
    /// Looks into the effective set of the calling thread; `None` if the capability is not there.
    ///
    /// # Errors
    ///
    /// None, short of a seccomp filter that denies `capget`.
    ///
    /// # Kernel
    ///
    /// capget(2).
    pub fn held() -> Result<Option<Self>, Refused> {
        let sets = rustix::thread::capabilities(None).call("capget")?;
        Ok(sets.effective.contains(CapabilitySet::SYS_ADMIN).then_some(Self(PhantomData)))
    }
}

/// Why this thread may load a filter: without one of these, a filter could be forced on a
/// set-user-id program to make it misbehave.
#[derive(Clone, Copy, Debug)]
pub enum Allowed<'proof> {
    /// Nothing it executes gains privileges.
    NoNewPrivs(&'proof NoNewPrivs),
    /// It is privileged already.
    SysAdmin(&'proof SysAdmin),
}

impl<'proof> From<&'proof NoNewPrivs> for Allowed<'proof> {
    fn from(proof: &'proof NoNewPrivs) -> Self {
        Self::NoNewPrivs(proof)
    }
}

impl<'proof> From<&'proof SysAdmin> for Allowed<'proof> {
    fn from(proof: &'proof SysAdmin) -> Self {
        Self::SysAdmin(proof)
    }
}

/// Flags of a filter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LoadFlags(u32);

impl LoadFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// The filter goes to every thread of the process.
    pub const TSYNC: Self = Self(1);
    /// What is not allowed is logged (`SECCOMP_RET_ALLOW` excepted). Linux 4.14.
    pub const LOG: Self = Self(1 << 1);
    /// Speculative Store Bypass is not mitigated for the process. Linux 4.17.
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// A syscall that the supervisor has received is interrupted by fatal signals only; with a
    /// listener. Linux 5.19.
    pub const WAIT_KILLABLE: Self = Self(1 << 5);

    /// These and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags of the kernel. TSYNC's failure is asked for as an error instead of a thread's id.
    const fn bits(self) -> u32 {
        if self.0 & Self::TSYNC.0 != 0 { self.0 | TSYNC_ESRCH } else { self.0 }
    }
}

/// Filters the system calls of the calling thread, of what it forks and of what it executes, for
/// good.
///
/// Other threads of the process are not touched unless [`LoadFlags::TSYNC`] says so. The runtime
/// loads filters in a child that has one thread.
///
/// # Errors
///
/// - `EACCES`: the proof does not hold any more.
/// - `EINVAL`: the kernel's checker rejects the program, or the kernel lacks a flag. Our compiler
///   never emits such a program, so the first is a bug in `stockade-seccomp`.
/// - `ENOMEM`: all filters of this thread together exceed 32768 instructions.
/// - `ESRCH`: with TSYNC, a thread has filters that this one has not.
///
/// # Kernel
///
/// Linux 3.17 (TSYNC as used here: 5.7), seccomp(2).
pub fn load(program: &Program, flags: LoadFlags, _: Allowed<'_>) -> Result<(), Refused> {
    install(program, flags.bits()).map(|_| ())
}

/// As [`load`], and returns the descriptor on which a supervisor is asked about the syscalls that
/// the program answers with `SECCOMP_RET_USER_NOTIF`: for a [`notify::Listener`]. It is
/// close-on-exec.
///
/// # Errors
///
/// As [`load`]; and `EBUSY` if a filter of this thread has a listener already.
///
/// # Kernel
///
/// Linux 5.0, seccomp_unotify(2).
pub fn load_with_listener(
    program: &Program,
    flags: LoadFlags,
    _: Allowed<'_>,
) -> Result<OwnedFd, Refused> {
    let fd = install(program, flags.bits() | NEW_LISTENER)?;
    let fd = i32::try_from(fd).expect("a descriptor fits an int");
    // SAFETY: with NEW_LISTENER the result is a new descriptor that nobody else knows of.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn install(program: &Program, flags: u32) -> Result<i64, Refused> {
    let instructions = program.instructions();
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).expect("a Program is at most 4096 long"),
        filter: instructions.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };

    // SAFETY: `program` points to `len` initialized instructions that are borrowed until after the
    // call and laid out as the kernel's (asserted below). The kernel copies them before it returns
    // and never writes through `filter`, which is `*mut` only because the header says so.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };

    if result < 0 { Err(Refused::now("seccomp(SECCOMP_SET_MODE_FILTER)")) } else { Ok(result) }
}

const _: () = {
    assert!(size_of::<Instruction>() == size_of::<libc::sock_filter>());
    assert!(align_of::<Instruction>() == align_of::<libc::sock_filter>());
    assert!(std::mem::offset_of!(Instruction, code) == 0);
    assert!(std::mem::offset_of!(Instruction, jt) == 2);
    assert!(std::mem::offset_of!(Instruction, jf) == 3);
    assert!(std::mem::offset_of!(Instruction, k) == 4);
};

const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
const NEW_LISTENER: u32 = 1 << 3;
const TSYNC_ESRCH: u32 = 1 << 4;

#[cfg(test)]
mod tests;
