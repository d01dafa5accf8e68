//! Who is at the other end of a local socket.

use std::os::fd::{AsFd, AsRawFd};

use crate::Refused;

/// The user id of whoever connected, or for a connecting side of whoever listened, as mapped in
/// our user namespace; an id that is not mapped is the overflow id.
///
/// rustix's `socket_peercred` cannot be used where the other end may be a process that our PID
/// namespace does not show: the kernel then answers 0, which is no value of its type.
///
/// # Errors
///
/// `ENOTSOCK`, `ENOPROTOOPT`: not a local socket.
///
/// # Kernel
///
/// `SO_PEERCRED` of unix(7).
pub fn peer_uid(socket: impl AsFd) -> Result<u32, Refused> {
    let mut peer = libc::ucred { pid: 0, uid: NOBODY, gid: NOBODY };
    let mut length = LENGTH;
    // SAFETY: `peer` has room for `length` bytes and both are borrowed for the call; every bit
    // pattern is valid for them.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if result == 0 && length == LENGTH {
        Ok(peer.uid)
    } else {
        Err(Refused::now("getsockopt(SO_PEERCRED)"))
    }
}

const LENGTH: libc::socklen_t = size_of::<libc::ucred>() as libc::socklen_t;
const NOBODY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_end_of_our_own_pair_is_us() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_uid(&one), Ok(rustix::process::geteuid().as_raw()));
        assert!(peer_uid(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
