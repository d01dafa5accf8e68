//! The one error of this crate: the kernel said no.

use std::io;

use stockade_abi::Errno;
use thiserror::Error;

/// A system call that the kernel refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{call}: {errno}")]
pub struct Refused {
    /// The call, with the part of its arguments that tells it from others: `prctl(PR_SET_PDEATHSIG)`.
    pub call: &'static str,
    /// The kernel's answer.
    pub errno: Errno,
}

impl Refused {
    /// Reads the error of the call that this thread made last.
    pub fn now(call: &'static str) -> Self {
        let raw = io::Error::last_os_error().raw_os_error();
        Self { call, errno: Errno(number(raw.unwrap_or_default())) }
    }

    /// Translates an error of rustix.
    pub fn from_rustix(call: &'static str, errno: rustix::io::Errno) -> Self {
        Self { call, errno: Errno(number(errno.raw_os_error())) }
    }
}

/// Names the call that a result of rustix comes from: `rustix::fs::fstat(fd).call("fstat")?`.
pub trait Calls<T> {
    /// Turns an error into a [`Refused`].
    ///
    /// # Errors
    ///
    /// Those of the call.
    fn call(self, call: &'static str) -> Result<T, Refused>;
}

impl<T> Calls<T> for rustix::io::Result<T> {
    fn call(self, call: &'static str) -> Result<T, Refused> {
        self.map_err(|errno| Refused::from_rustix(call, errno))
    }
}

/// The kernel's numbers are 1 to 4095.
fn number(raw: i32) -> u16 {
    u16::try_from(raw).expect("an error number fits in 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_and_the_number_survive() {
        let refused = Err::<(), _>(rustix::io::Errno::PERM).call("mount").unwrap_err();
        assert_eq!(refused.to_string(), "mount: EPERM (Operation not permitted)");
    }
}
