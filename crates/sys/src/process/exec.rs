//! execve(2), with everything allocated beforehand.

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::Refused;

/// Arguments and environment of a program, laid out as the kernel reads them.
///
/// Made while memory may still be allocated; [`Exec::go`] is then a system call and nothing else,
/// which a seccomp filter that is already in force has to allow.
#[derive(Debug)]
pub struct Exec {
    argv: Strings,
    env: Strings,
}

impl Exec {
    /// Lays out arguments (the first is the program's name for itself) and `NAME=value` pairs.
    pub fn new(argv: Vec<CString>, env: Vec<CString>) -> Self {
        Self { argv: Strings::new(argv), env: Strings::new(env) }
    }

    /// Becomes the program at `path`. Returns only if the kernel refuses.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: neither the file nor, for a script, its interpreter may be missing.
    /// - `EACCES`: not executable, a `noexec` mount, or a security module's refusal.
    /// - `ENOEXEC`: not a program. `E2BIG`: too many arguments.
    ///
    /// # Kernel
    ///
    /// execve(2).
    pub fn go(&self, path: &CStr) -> Refused {
        // SAFETY: `path` ends with NUL; both arrays end with a null pointer and point to strings
        // that end with NUL and are owned by `self`. The kernel only reads them. If the call
        // succeeds nothing of this address space is left.
        unsafe { libc::execve(path.as_ptr(), self.argv.as_ptr(), self.env.as_ptr()) };
        Refused::now("execve")
    }

    /// Becomes the program that `program` refers to, whatever name it has or had. Returns only if
    /// the kernel refuses.
    ///
    /// # Errors
    ///
    /// As [`Exec::go`]; and `ENOENT` for a script whose descriptor is close-on-exec.
    ///
    /// # Kernel
    ///
    /// Linux 3.19, execveat(2) with `AT_EMPTY_PATH`.
    pub fn go_fd(&self, program: BorrowedFd<'_>) -> Refused {
        // SAFETY: as in `go`, with the empty string as path.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                program.as_raw_fd(),
                c"".as_ptr(),
                self.argv.as_ptr(),
                self.env.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
        Refused::now("execveat")
    }
}

/// Strings and the null-terminated array of pointers to them.
///
/// Invariant: `pointers` are those of `owned`, in order, and a null. The strings live on the heap,
/// so that moving this value does not move them.
#[derive(Debug)]
struct Strings {
    pointers: Vec<*const c_char>,
    #[expect(dead_code, reason = "keeps what `pointers` point to")]
    owned: Vec<CString>,
}

impl Strings {
    fn new(owned: Vec<CString>) -> Self {
        let pointers = owned.iter().map(|it| it.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, owned }
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
