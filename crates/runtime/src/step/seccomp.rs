//! Loading seccomp filters.

use stockade_confine::plan::{LogDenied, SeccompLoad, Speculation};
use stockade_sys::seccomp::{Allowed, LoadFlags, NoNewPrivs, SysAdmin, load};

use crate::fault::{Done, Fault};

/// Loads a filter, on the strength of `no_new_privs` if it was set, or of `CAP_SYS_ADMIN`.
pub(crate) fn load_filter(what: &SeccompLoad, no_new_privs: Option<&NoNewPrivs>) -> Done {
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
    Ok(load(&what.program, flags, allowed)?)
}
