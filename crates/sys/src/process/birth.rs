//! clone3(2), as a fork into namespaces and a cgroup; and unshare(2) of namespaces.

use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{fs, panic};

use rustix::process::Pid;
use stockade_abi::{Errno, NamespaceSet};

use super::exit_now;
use crate::Refused;

/// What a child is born into.
#[derive(Clone, Copy, Debug)]
pub struct Birth<'fd> {
    /// The namespaces that are made for it. It shares the others with us.
    pub flags: NamespaceSet,
    /// The cgroup v2 directory that it is born in; `None` for ours.
    pub cgroup: Option<BorrowedFd<'fd>>,
    /// Whose child it is.
    pub parent: Parent,
}

/// Whose child a new process is: who is told of its death and reaps it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parent {
    /// Ours.
    Caller,
    /// Our parent's, as our sibling. It is told with the signal that it chose for us.
    CallersParent,
}

/// On which side of a birth we are.
#[derive(Debug)]
pub enum Born {
    /// In the new process.
    Child,
    /// In the old one.
    Parent {
        /// The child in our PID namespace.
        pid: Pid,
        /// The child for good: never another process, even after its death. Close-on-exec.
        pidfd: OwnedFd,
    },
}

/// Makes a child process: a copy of this one, in new namespaces and in a cgroup, from its first
/// instruction on.
///
/// The child returns from the same call. It must end in [`Exec::go`](super::Exec::go) or
/// [`exit_now`] and not return to what its parent was doing: it has copies of all the parent's
/// values, and dropping them would undo the parent's work a second time. A panic in the child
/// therefore prints its message and ends the child with 101; it does not unwind.
///
/// # Errors
///
/// - `EINVAL`: the caller has more than one thread (see below); or a child for our parent is asked
///   of PID 1 of a namespace.
/// - `EPERM`: a namespace other than a user namespace without `CAP_SYS_ADMIN`, or a user
///   namespace in a chroot or where a limit forbids it.
/// - `ENOSPC`, `EUSERS`: too many namespaces, or nested too deeply.
/// - `EAGAIN`: pids limit of the cgroup. `EBUSY`, `EOPNOTSUPP`: the cgroup takes no processes.
/// - `ENOSYS`: a seccomp filter of a container engine around us that knows no clone3.
///
/// # Threads
///
/// A caller with threads is refused. The child has only the calling thread; a lock that another
/// one held, such as the allocator's, would never be released.
///
/// # Kernel
///
/// Linux 5.7 (`CLONE_INTO_CGROUP`), clone(2).
pub fn birth(birth: Birth<'_>) -> Result<Born, Refused> {
    if !is_single_threaded()? {
        return Err(Refused { call: "clone3 (with threads)", errno: EINVAL });
    }

    let mut pidfd: libc::c_int = -1;
    let mut flags = birth.flags.clone_flags() | CLONE_PIDFD;
    // The kernel refuses a signal together with CLONE_PARENT: the one that our parent chose for us
    // is used for our sibling.
    let exit_signal = match birth.parent {
        Parent::Caller => libc::SIGCHLD as u64,
        Parent::CallersParent => {
            flags |= CLONE_PARENT;
            0
        }
    };
    let cgroup = birth.cgroup.map_or(0, |cgroup| {
        flags |= CLONE_INTO_CGROUP;
        u64::try_from(cgroup.as_raw_fd()).expect("a descriptor is not negative")
    });
    let arguments = CloneArgs {
        flags,
        pidfd: (&raw mut pidfd).addr() as u64,
        exit_signal,
        cgroup,
        ..CloneArgs::default()
    };

    // SAFETY: the arguments are initialized, of the size that is passed, and borrowed for the call;
    // the kernel writes one int through `pidfd`, which lives as long. Without CLONE_VM the child
    // gets a copy of this address space with this stack, so that no memory is shared and both
    // sides return from here as from fork(2). What the C library's fork does beyond the system
    // call is not needed: its locks are held by nobody, since there is one thread (checked above)
    // and it is not in the C library; nobody here registers fork handlers; robust mutexes and a
    // joinable main thread, which the kernel forgets, are not used. Its cached thread id goes
    // stale in the child. It is used there for owners of recursive mutexes, of which a process
    // with one thread has no other claimant, and by musl's abort(3), which would signal the parent
    // in its place: that is why a panic in the child exits instead.
    let result =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArgs>()) };

    match result {
        0 => {
            panic::set_hook(Box::new(end_child));
            Ok(Born::Child)
        }
        pid if pid > 0 => {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid fits");
            // SAFETY: the call succeeded, so the kernel has put a new descriptor here that nobody
            // else knows of.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Born::Parent { pid, pidfd })
        }
        _ => Err(Refused::now("clone3")),
    }
}

/// Whether this process has no thread but the calling one.
///
/// # Errors
///
/// Only where neither the kernel nor `/proc` may be asked. Unknown is not yes.
///
/// # Kernel
///
/// unshare(2): `CLONE_THREAD` changes nothing for a single thread and is refused otherwise, which
/// is a question that costs a tenth of a microsecond. Where a filter denies unshare, `/proc` is
/// read.
pub fn is_single_threaded() -> Result<bool, Refused> {
    // SAFETY: CLONE_THREAD alone changes nothing whatever the answer is, and touches no memory.
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return Ok(true);
    }
    let refused = Refused::now("unshare(CLONE_THREAD)");
    if refused.errno == EINVAL {
        return Ok(false);
    }
    fs::read_dir("/proc/self/task").map(|tasks| tasks.count() == 1).map_err(|_| refused)
}

/// Moves the calling thread into new namespaces; for a PID namespace and a time namespace, its
/// future children.
///
/// # Errors
///
/// - `EPERM`: see [`birth`].
/// - `EINVAL`: a user, PID or time namespace is asked for and the process has threads.
/// - `ENOSPC`: too many, or nested too deeply.
///
/// # Kernel
///
/// unshare(2).
pub fn unshare(namespaces: NamespaceSet) -> Result<(), Refused> {
    // The set holds namespace flags only, of which all but CLONE_NEWTIME lie above bit 16 and
    // none above bit 30.
    let flags = i32::try_from(namespaces.clone_flags()).expect("namespace flags fit an int");

    // SAFETY: namespaces are no memory. What makes unshare dangerous is CLONE_FILES, after which
    // threads see different descriptors under one number: a NamespaceSet cannot contain it.
    match unsafe { libc::unshare(flags) } {
        0 => Ok(()),
        _ => Err(Refused::now("unshare")),
    }
}

fn end_child(info: &panic::PanicHookInfo<'_>) {
    if writeln!(std::io::stderr(), "{info}").is_err() {
        // There is nowhere else to say it; the exit code still does.
    }
    exit_now(101);
}

/// `struct clone_args` of `linux/sched.h`, as of Linux 5.7.
#[derive(Default)]
#[repr(C, align(8))]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const EINVAL: Errno = Errno(libc::EINVAL as u16);
