//! What stays open across `execve`, and where the standard streams lead.

use std::os::fd::OwnedFd;

use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use stockade_sys::{Calls, Refused};

use crate::fault::{Done, Fault};

/// Marks everything but the standard streams and `preserved` descriptors after them close-on-exec.
pub(crate) fn close_at_exec(preserved: u32) -> Done {
    let first = preserved.checked_add(3).and_then(|it| i32::try_from(it).ok());
    let first = first.ok_or_else(|| Fault::told("so many descriptors cannot be open"))?;
    Ok(stockade_sys::process::close_at_exec_from(first, &[])?)
}

/// Makes these the standard streams: input, output, errors.
pub(crate) fn take_as_standard([input, output, errors]: [&OwnedFd; 3]) -> Result<(), Refused> {
    dup2_stdin(input).call("dup2")?;
    dup2_stdout(output).call("dup2")?;
    dup2_stderr(errors).call("dup2")
}
