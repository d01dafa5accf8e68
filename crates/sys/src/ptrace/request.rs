//! ptrace(2), as far as it takes numbers.

use rustix::process::Pid;

use crate::Refused;

/// Requests of ptrace(2) whose arguments are numbers, and no addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i64)]
pub(super) enum Request {
    TraceMe = 0,
    Cont = 7,
    Detach = 17,
    SetOptions = 0x4200,
    Seize = 0x4206,
    Interrupt = 0x4207,
    Listen = 0x4208,
}

/// Makes a request.
pub(super) fn request(request: Request, pid: Pid, data: libc::c_long) -> Result<(), Refused> {
    let unused: libc::c_long = 0;
    // SAFETY: none of these requests takes an address in our memory, and the memory of the other
    // process is not ours to care for: they start and stop it and pass signals on.
    let result = unsafe {
        libc::syscall(libc::SYS_ptrace, request as libc::c_long, pid.as_raw_pid(), unused, data)
    };
    if result == 0 {
        return Ok(());
    }
    Err(Refused::now(match request {
        Request::TraceMe => "ptrace(PTRACE_TRACEME)",
        Request::SetOptions => "ptrace(PTRACE_SETOPTIONS)",
        Request::Cont => "ptrace(PTRACE_CONT)",
        Request::Detach => "ptrace(PTRACE_DETACH)",
        Request::Seize => "ptrace(PTRACE_SEIZE)",
        Request::Interrupt => "ptrace(PTRACE_INTERRUPT)",
        Request::Listen => "ptrace(PTRACE_LISTEN)",
    }))
}
