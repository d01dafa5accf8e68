//! The records of `linux/seccomp.h` and the four requests that take them.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use crate::Refused;
use crate::signals::Mask;

/// A record and room for what later kernels append to it, all zeros at first.
#[repr(C)]
pub(super) struct Padded<T> {
    pub(super) record: T,
    rest: [u64; 24],
}

impl Padded<libc::seccomp_notif> {
    pub(super) const fn zeroed() -> Self {
        let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
        Self { record: libc::seccomp_notif { id: 0, pid: 0, flags: 0, data }, rest: [0; 24] }
    }
}

/// Asks the kernel whether its records fit into ours.
pub(super) fn fit() -> Result<(), Refused> {
    let mut sizes =
        libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
    // SAFETY: the kernel writes three 16-bit numbers into the record, which is borrowed for the call
    // and valid with any.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, &raw mut sizes)
    };
    if result != 0 {
        return Err(Refused::now(SIZES));
    }
    let fits = usize::from(sizes.seccomp_notif) <= size_of::<Padded<libc::seccomp_notif>>()
        && usize::from(sizes.seccomp_notif_resp) <= size_of::<Padded<libc::seccomp_notif_resp>>();
    if fits { Ok(()) } else { Err(Refused::from_rustix(SIZES, rustix::io::Errno::TOOBIG)) }
}

pub(super) fn receive(
    listener: BorrowedFd<'_>,
    record: &mut Padded<libc::seccomp_notif>,
) -> Result<(), Refused> {
    exchange(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, record, RECEIVE).map(|_| ())
}

pub(super) fn send(
    listener: BorrowedFd<'_>,
    record: libc::seccomp_notif_resp,
) -> Result<(), Refused> {
    let mut record = Padded { record, rest: [0; 24] };
    until_done(|| exchange(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut record, SEND)).map(|_| ())
}

/// The number of the new descriptor in the caller.
pub(super) fn add_fd(
    listener: BorrowedFd<'_>,
    mut record: libc::seccomp_notif_addfd,
) -> Result<RawFd, Refused> {
    until_done(|| exchange(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut record, ADD_FD))
}

/// As [`add_fd`], with the answer. While the kernel waits for the caller to take the descriptor, a
/// signal would have it give up the descriptor but not the answer, which is then 0 and no number
/// of a descriptor of the caller's.
pub(super) fn give_fd(
    listener: BorrowedFd<'_>,
    mut record: libc::seccomp_notif_addfd,
) -> Result<RawFd, Refused> {
    record.flags |= libc::SECCOMP_ADDFD_FLAG_SEND as u32;
    let before = Mask::ALL.block()?;
    let given = exchange(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut record, ADD_FD);
    before.set()?;
    given
}

pub(super) fn is_valid(listener: BorrowedFd<'_>, mut id: u64) -> Result<bool, Refused> {
    let valid =
        until_done(|| exchange(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut id, ID_VALID));
    match valid {
        Ok(_) => Ok(true),
        Err(refused) if i32::from(refused.errno.0) == libc::ENOENT => Ok(false),
        Err(refused) => Err(refused),
    }
}

/// A signal that we handle may interrupt a request before it had an effect.
fn until_done(mut request: impl FnMut() -> Result<i32, Refused>) -> Result<i32, Refused> {
    loop {
        match request() {
            Err(refused) if i32::from(refused.errno.0) == libc::EINTR => {}
            done => return done,
        }
    }
}

fn exchange<T>(
    listener: BorrowedFd<'_>,
    request: libc::Ioctl,
    record: &mut T,
    call: &'static str,
) -> Result<i32, Refused> {
    // SAFETY: the callers above pair each request with its record, which has at least the size that
    // is part of the request's number and, where the kernel may use more, that it was asked for in
    // `fit`. It is borrowed for the call; any bits are valid for its integers. A descriptor that is
    // no listener answers ENOTTY or EINVAL: nothing else has requests of seccomp's kind `!` and
    // these sizes.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut *record) };
    if result < 0 { Err(Refused::now(call)) } else { Ok(result) }
}

pub(super) const SEND: &str = "ioctl(SECCOMP_IOCTL_NOTIF_SEND)";
const RECEIVE: &str = "ioctl(SECCOMP_IOCTL_NOTIF_RECV)";
const ADD_FD: &str = "ioctl(SECCOMP_IOCTL_NOTIF_ADDFD)";
const ID_VALID: &str = "ioctl(SECCOMP_IOCTL_NOTIF_ID_VALID)";
const SIZES: &str = "seccomp(SECCOMP_GET_NOTIF_SIZES)";
