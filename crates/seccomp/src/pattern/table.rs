//! Constants that people know by name, and arguments of which the kernel sees 32 bits.
//!
//! Source: `linux/socket.h`, `linux/sched.h`; the prototypes in `linux/syscalls.h`.

/// What a constant means in a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The argument is it.
    Value,
    /// The argument has this bit.
    Flag,
}

use Kind::{Flag, Value};

type Places = &'static [(&'static str, u8)];

const FAMILY: Places = &[("socket", 0), ("socketpair", 0)];
const NAMESPACE: Places = &[("clone", 0), ("unshare", 0), ("setns", 1)];

/// Name, value, meaning, and the arguments that take it.
pub(super) const SYMBOLS: &[(&str, u64, Kind, Places)] = &[
    ("AF_UNIX", 1, Value, FAMILY),
    ("AF_LOCAL", 1, Value, FAMILY),
    ("AF_INET", 2, Value, FAMILY),
    ("AF_AX25", 3, Value, FAMILY),
    ("AF_IPX", 4, Value, FAMILY),
    ("AF_APPLETALK", 5, Value, FAMILY),
    ("AF_NETROM", 6, Value, FAMILY),
    ("AF_X25", 9, Value, FAMILY),
    ("AF_INET6", 10, Value, FAMILY),
    ("AF_ROSE", 11, Value, FAMILY),
    ("AF_KEY", 15, Value, FAMILY),
    ("AF_NETLINK", 16, Value, FAMILY),
    ("AF_PACKET", 17, Value, FAMILY),
    ("AF_RDS", 21, Value, FAMILY),
    ("AF_LLC", 26, Value, FAMILY),
    ("AF_CAN", 29, Value, FAMILY),
    ("AF_TIPC", 30, Value, FAMILY),
    ("AF_BLUETOOTH", 31, Value, FAMILY),
    ("AF_RXRPC", 33, Value, FAMILY),
    ("AF_PHONET", 35, Value, FAMILY),
    ("AF_CAIF", 37, Value, FAMILY),
    ("AF_ALG", 38, Value, FAMILY),
    ("AF_NFC", 39, Value, FAMILY),
    ("AF_VSOCK", 40, Value, FAMILY),
    ("AF_KCM", 41, Value, FAMILY),
    ("AF_QIPCRTR", 42, Value, FAMILY),
    ("AF_SMC", 43, Value, FAMILY),
    ("AF_XDP", 44, Value, FAMILY),
    ("AF_MCTP", 45, Value, FAMILY),
    ("CLONE_NEWNS", 0x0002_0000, Flag, NAMESPACE),
    ("CLONE_NEWCGROUP", 0x0200_0000, Flag, NAMESPACE),
    ("CLONE_NEWUTS", 0x0400_0000, Flag, NAMESPACE),
    ("CLONE_NEWIPC", 0x0800_0000, Flag, NAMESPACE),
    ("CLONE_NEWUSER", 0x1000_0000, Flag, NAMESPACE),
    ("CLONE_NEWPID", 0x2000_0000, Flag, NAMESPACE),
    ("CLONE_NEWNET", 0x4000_0000, Flag, NAMESPACE),
    // A bit of the exit signal in `clone`.
    ("CLONE_NEWTIME", 0x0000_0080, Flag, &[("unshare", 0), ("setns", 1)]),
];

/// Calls and those of their arguments that are `int` or `unsigned int`.
pub(super) const INTEGERS: &[(&str, &[u8])] = &[
    ("bpf", &[0, 2]),
    ("fcntl", &[0, 1]),
    ("fcntl64", &[0, 1]),
    ("getsockopt", &[0, 1, 2]),
    ("io_uring_register", &[0, 1, 3]),
    ("ioctl", &[0, 1]),
    ("keyctl", &[0]),
    ("personality", &[0]),
    ("prctl", &[0]),
    ("seccomp", &[0, 1]),
    ("setns", &[0, 1]),
    ("setsockopt", &[0, 1, 2, 4]),
    ("socket", &[0, 1, 2]),
    ("socketcall", &[0]),
    ("ipc", &[0]),
    ("socketpair", &[0, 1, 2]),
    ("userfaultfd", &[0]),
];
