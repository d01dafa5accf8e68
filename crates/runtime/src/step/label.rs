//! The label that a security module gives at `execve`.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use stockade_confine::plan::SecurityModule;
use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::proc::Proc;

/// Opens what a label is written to, while `/proc` is still the host's.
pub(crate) fn open(proc: &Proc, module: SecurityModule) -> Done<OwnedFd> {
    // The module's own file: with several modules `attr/exec` is that of another one.
    let file = match module {
        SecurityModule::AppArmor => "attr/apparmor/exec",
        SecurityModule::SeLinux => "attr/exec",
    };
    Ok(proc.open_own(file, OFlags::WRONLY)?)
}

/// Asks for a label at the next `execve`.
pub(crate) fn set(handle: Option<&OwnedFd>, module: SecurityModule, label: &str) -> Done {
    let handle = handle.ok_or_else(|| Fault::told("the label's file was not opened before"))?;
    let request = match module {
        SecurityModule::AppArmor => format!("exec {label}"),
        SecurityModule::SeLinux => label.to_owned(),
    };
    let written = rustix::io::write(handle, request.as_bytes()).call("write(attr/exec)")?;
    if written == request.len() { Ok(()) } else { Err(Fault::told("the label was cut short")) }
}
