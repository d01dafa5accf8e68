//! Brings the loopback interface up, by one netlink message.
//!
//! Source: rtnetlink(7), netlink(7).

use std::io;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// Sets `IFF_UP` on the interface that is the first in every network namespace.
pub(super) fn bring_up() -> io::Result<()> {
    // The protocol 0, which is `None` here, is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &request(), SendFlags::empty())?;

    // An acknowledgement is a header of 16 bytes and a negative errno.
    let mut reply = [0; 64];
    let (received, _) = recv(&socket, &mut reply, RecvFlags::empty())?;
    match reply[..received].get(16..20).map(|errno| errno.try_into().map(i32::from_ne_bytes)) {
        Some(Ok(0)) => Ok(()),
        Some(Ok(errno)) => Err(io::Error::from_raw_os_error(-errno)),
        Some(Err(_)) | None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `struct nlmsghdr` and `struct ifinfomsg`.
fn request() -> Vec<u8> {
    let [sequence, sender, kind]: [u32; 3] = [0; 3];
    [
        LENGTH,
        u32::from(RTM_NEWLINK) | u32::from(NLM_F_REQUEST | NLM_F_ACK) << 16,
        sequence,
        sender,
        kind,
        LOOPBACK_INDEX,
        IFF_UP,
        IFF_UP,
    ]
    .into_iter()
    .flat_map(u32::to_le_bytes)
    .collect()
}

const LENGTH: u32 = 32;
const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const LOOPBACK_INDEX: u32 = 1;
const IFF_UP: u32 = 1;
