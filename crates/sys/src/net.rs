//! The network of a pod that has none: loopback.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{Calls, Refused};

/// Switches the loopback device of this network namespace on. The kernel then gives it 127.0.0.1
/// and ::1.
///
/// # Errors
///
/// - `EPERM`: no `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
/// - `EAFNOSUPPORT`: a kernel without IPv4.
///
/// # Kernel
///
/// netdevice(7).
pub fn loopback_up() -> Result<(), Refused> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .call("socket")?;
    let mut request = FlagsRequest::loopback();
    exchange(&socket, SIOCGIFFLAGS, &mut request, "ioctl(SIOCGIFFLAGS)")?;
    request.flags |= IFF_UP;
    exchange(&socket, SIOCSIFFLAGS, &mut request, "ioctl(SIOCSIFFLAGS)")
}

fn exchange(
    socket: &OwnedFd,
    direction: libc::Ioctl,
    request: &mut FlagsRequest,
    call: &'static str,
) -> Result<(), Refused> {
    // SAFETY: both directions take a `struct ifreq`, which the request is as large as (asserted
    // below), so that what the kernel writes stays within it; every bit pattern is valid for it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), direction, &raw mut *request) };
    if result == 0 { Ok(()) } else { Err(Refused::now(call)) }
}

/// `struct ifreq` with the union as its `ifr_flags`.
#[repr(C, align(8))]
struct FlagsRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

impl FlagsRequest {
    fn loopback() -> Self {
        let mut name = [0; 16];
        name[..2].copy_from_slice(b"lo");
        Self { name, flags: 0, rest: [0; 22] }
    }
}

const _: () = assert!(size_of::<FlagsRequest>() >= size_of::<libc::ifreq>());

// The C libraries do not agree on the type of these.
const SIOCGIFFLAGS: libc::Ioctl = 0x8913;
const SIOCSIFFLAGS: libc::Ioctl = 0x8914;
const IFF_UP: i16 = 1;
