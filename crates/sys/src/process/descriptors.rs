//! Descriptors that must not leak into what comes next.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};

use crate::{Calls, Refused};

/// Marks every descriptor from `first` on close-on-exec, but for those in `keep`.
///
/// Marks in both directions: what is in `keep` and at or above `first` loses the mark. Nothing is
/// closed before `execve`, so no owner of a descriptor in this process notices.
///
/// # Errors
///
/// - `EBADF`: one of `keep` is not open.
/// - `EINVAL`: Linux before 5.11, or a negative number.
///
/// # Kernel
///
/// Linux 5.11 (`CLOSE_RANGE_CLOEXEC`), close_range(2).
pub fn close_at_exec_from(first: RawFd, keep: &[RawFd]) -> Result<(), Refused> {
    let first = u32::try_from(first)
        .map_err(|_| Refused::from_rustix("close_range", rustix::io::Errno::INVAL))?;

    // SAFETY: takes its arguments by value. With CLOSE_RANGE_CLOEXEC it closes nothing, so that it
    // cannot pull a descriptor from under its owner.
    let result = unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC)
    };
    if result != 0 {
        return Err(Refused::now("close_range(CLOSE_RANGE_CLOEXEC)"));
    }
    for &fd in keep.iter().filter(|&&fd| fd >= 0 && fd.unsigned_abs() >= first) {
        // SAFETY: takes its arguments by value. The mark matters at `execve` only and the caller
        // has named this descriptor to be inherited; a closed number is answered with EBADF.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } != 0 {
            return Err(Refused::now("fcntl(F_SETFD)"));
        }
    }
    Ok(())
}

/// Takes a descriptor that whoever started this program handed on, by its number: a duplicate,
/// close-on-exec. The number itself stays open until the next `execve`.
///
/// # Errors
///
/// `EBADF`: nothing was handed on under that number.
///
/// # Kernel
///
/// fcntl(2), `F_DUPFD_CLOEXEC`.
pub fn take_inherited(number: RawFd) -> Result<OwnedFd, Refused> {
    // SAFETY: takes its arguments by value. It makes a new descriptor and leaves `number` as it is,
    // so that no owner of it in this process notices; a closed one is answered with EBADF.
    let fd = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if fd < 0 {
        return Err(Refused::now("fcntl(F_DUPFD_CLOEXEC)"));
    }
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else knows of.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets go of what every descriptor from `first` on refers to, but for those in `keep`: for a child
/// that lives on without `execve` and must not hold its parent's pipes and locks.
///
/// The numbers stay taken, by `/dev/null` opened as a path (neither readable nor writable), and
/// close-on-exec. Closing them instead would leave owners behind in this process, copied from the
/// parent, that later close a number which by then belongs to somebody else.
///
/// # Errors
///
/// - `ENOENT`, `EACCES`: no `/proc/self/fd` or `/dev/null`.
/// - `EMFILE`: no number is left for `/dev/null`.
///
/// # Kernel
///
/// dup3(2), proc_pid_fd(5).
pub fn void_descriptors_from(first: RawFd, keep: &[RawFd]) -> Result<(), Refused> {
    let void = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .call("open(/dev/null)")?;
    let listing = rustix::fs::open(
        "/proc/self/fd",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .call("open(/proc/self/fd)")?;

    let mut open = Vec::new();
    for entry in rustix::fs::Dir::read_from(&listing).call("getdents64(/proc/self/fd)")? {
        let entry = entry.call("getdents64(/proc/self/fd)")?;
        // `.` and `..` are no numbers.
        if let Some(fd) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) {
            open.push(fd);
        }
    }
    let ours = [void.as_raw_fd(), listing.as_raw_fd()];
    // The directory stream above had a descriptor of its own, which is closed by now: putting
    // /dev/null there would leak it.
    open.retain(|fd: &RawFd| {
        *fd >= first && !keep.contains(fd) && !ours.contains(fd) && is_open(*fd)
    });

    for fd in open {
        // SAFETY: takes its arguments by value. The number was open and stays open, so that every
        // owner of it still closes its own; what changes is the file behind it, which no memory
        // depends on: mappings hold their own reference.
        if unsafe { libc::dup3(void.as_raw_fd(), fd, libc::O_CLOEXEC) } < 0 {
            return Err(Refused::now("dup3"));
        }
    }
    Ok(())
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: the borrow ends within this function, and F_GETFD answers EBADF for a number that is
    // not open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(fd).is_ok()
}

const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;
