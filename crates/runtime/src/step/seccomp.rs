//! Loading seccomp filters.

use std::mem::ManuallyDrop;
use std::os::fd::AsFd;

use stockade_confine::plan::{Interruption, LogDenied, SeccompListener, SeccompLoad, Speculation};
use stockade_sys::seccomp::{Allowed, LoadFlags, NoNewPrivs, SysAdmin, load, load_with_listener};

use super::agent::{self, Agent};
use crate::fault::{Done, Fault};
use crate::proc::Proc;
use crate::site::Known;

/// Loads a filter, on the strength of `no_new_privs` if it was set, or of `CAP_SYS_ADMIN`; and hands
/// its listener to the agent, if the profile has one.
pub(crate) fn load_filter(
    what: &SeccompLoad,
    no_new_privs: Option<&NoNewPrivs>,
    agent: Option<&Agent>,
    known: &Known,
    proc: &Proc,
) -> Done {
    let log = match what.log {
        LogDenied::AsConfigured => LoadFlags::NONE,
        LogDenied::Always => LoadFlags::LOG,
    };
    let flags = match what.speculation {
        Speculation::Mitigate => log,
        Speculation::Allow => log.with(LoadFlags::SPEC_ALLOW),
    };
    let held;
    let allowed = match no_new_privs {
        Some(proof) => Allowed::from(proof),
        None => {
            held = SysAdmin::held()?
                .ok_or_else(|| Fault::told("neither no_new_privs nor CAP_SYS_ADMIN is there"))?;
            Allowed::from(&held)
        }
    };
    let Some(SeccompListener { metadata, interruption, .. }) = &what.listener else {
        return Ok(load(&what.program, flags, allowed)?);
    };
    let agent = agent.ok_or_else(|| Fault::told("there is no connection to the seccomp agent"))?;
    let flags = match interruption {
        Interruption::AnySignal => flags,
        Interruption::Fatal => flags.with(LoadFlags::WAIT_KILLABLE),
    };
    let message = agent::message(known, proc.own_pid()?, metadata.as_deref())?;
    // The filter may deny to close what is closed at `execve` all the same, and to free memory.
    let message = ManuallyDrop::new(message);
    let listener = ManuallyDrop::new(load_with_listener(&what.program, flags, allowed)?);
    agent.send(&message, listener.as_fd())
}
