//! Session keyrings.

use std::ffi::CStr;
use std::ptr;

use crate::Refused;

/// A key's serial number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeySerial(pub i32);

/// Gives the process a session keyring of its own, empty, so that it does not possess the keys of
/// whoever started it. Joins the keyring called `name` if there is one; `None` always makes a new
/// one.
///
/// # Errors
///
/// - `EDQUOT`: the user has too many keys.
/// - `ENOSYS`: a kernel without keys; there is nothing to be kept apart then.
///
/// # Kernel
///
/// keyctl_join_session_keyring(3).
pub fn join_session(name: Option<&CStr>) -> Result<KeySerial, Refused> {
    // SAFETY: the name ends with NUL and is borrowed for the call, or is null, which asks for an
    // anonymous keyring. The kernel only reads it.
    let serial = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            name.map_or(ptr::null(), CStr::as_ptr),
        )
    };
    match i32::try_from(serial) {
        Ok(serial) if serial > 0 => Ok(KeySerial(serial)),
        _ => Err(Refused::now("keyctl(KEYCTL_JOIN_SESSION_KEYRING)")),
    }
}

const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
