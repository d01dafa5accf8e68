//! What arguments of system calls are: which bits of them the kernel looks at, and by which names
//! people know their values.
//!
//! Widths are as of Linux 6.17; from the declarations (`SYSCALL_DEFINE*`) and, for `clone`, from
//! `lower_32_bits` in `kernel/fork.c`. What is not here is a pointer, a size, an address, or of the
//! register's width.
//!
//! Source of the names: `linux/socket.h`, `linux/net.h`, `linux/sched.h`, `asm-generic/ioctls.h`,
//! `linux/prctl.h`, `linux/personality.h`, `linux/stat.h`.

use stockade_abi::Architecture;

use Kind::{Flag, Value};

/// How many bits of an argument the kernel looks at, if it is known to be fewer than all.
pub(crate) fn bits(architecture: Architecture, name: &str, argument: u8) -> Option<u32> {
    let is_s390 = matches!(architecture, Architecture::S390x | Architecture::S390);
    if name == "clone" {
        // S/390 has the stack first.
        return (argument == u8::from(is_s390)).then_some(32);
    }
    let row = NARROW.iter().find(|(it, ..)| *it == name)?;
    if row.1.contains(&argument) { Some(32) } else { row.2.contains(&argument).then_some(16) }
}

/// What a name means as an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The argument is it.
    Value,
    /// These bits of the argument are it; the others are flags.
    Field(u64),
    /// The argument has this bit.
    Flag,
}

/// The number behind a name such as `AF_ALG` or `CLONE_NEWUSER`, if it is one of those that profiles
/// decide on.
pub fn constant(name: &str) -> Option<u64> {
    SYMBOLS.iter().find(|(it, ..)| *it == name).map(|(_, value, ..)| *value)
}

/// Calls and their arguments.
pub(crate) type Places = &'static [(&'static str, u8)];

/// Name, value, meaning, and the arguments that take it.
pub(crate) const SYMBOLS: &[(&str, u64, Kind, Places)] = &[
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
    ("SOCK_STREAM", 1, Kind::Field(SOCK_TYPE_MASK), TYPE),
    ("SOCK_DGRAM", 2, Kind::Field(SOCK_TYPE_MASK), TYPE),
    ("SOCK_RAW", 3, Kind::Field(SOCK_TYPE_MASK), TYPE),
    ("SOCK_RDM", 4, Kind::Field(SOCK_TYPE_MASK), TYPE),
    ("SOCK_SEQPACKET", 5, Kind::Field(SOCK_TYPE_MASK), TYPE),
    ("TIOCSTI", 0x5412, Value, &[("ioctl", 1)]),
    ("TIOCLINUX", 0x541C, Value, &[("ioctl", 1)]),
    ("PER_LINUX", 0, Value, &[("personality", 0)]),
    ("PER_LINUX32", 8, Value, &[("personality", 0)]),
    ("ADDR_NO_RANDOMIZE", 0x0004_0000, Flag, &[("personality", 0)]),
    ("PR_SET_SECCOMP", 22, Value, &[("prctl", 0)]),
    ("PR_SET_NO_NEW_PRIVS", 38, Value, &[("prctl", 0)]),
    ("S_ISUID", 0o4000, Flag, MODE),
    ("S_ISGID", 0o2000, Flag, MODE),
];

const FAMILY: Places = &[("socket", 0), ("socketpair", 0)];
const TYPE: Places = &[("socket", 1), ("socketpair", 1)];
const NAMESPACE: Places = &[("clone", 0), ("unshare", 0), ("setns", 1)];
const MODE: Places = &[
    ("chmod", 1),
    ("fchmod", 1),
    ("fchmodat", 2),
    ("fchmodat2", 2),
    ("creat", 1),
    ("mkdir", 1),
    ("mkdirat", 2),
    ("mknod", 1),
    ("mknodat", 2),
    ("open", 2),
    ("openat", 3),
];
const SOCK_TYPE_MASK: u64 = 0xF;

/// Name, arguments of 32 bits, arguments of 16 bits (`umode_t`).
#[rustfmt::skip]
const NARROW: &[(&str, &[u8], &[u8])] = &[
    ("accept4", &[0, 3], &[]),
    ("arch_prctl", &[0], &[]),
    ("bpf", &[0, 2], &[]),
    ("chmod", &[], &[1]),
    ("chown", &[1, 2], &[]),
    ("clock_settime", &[0], &[]),
    ("execveat", &[0, 4], &[]),
    ("fchmod", &[0], &[1]),
    ("fchmodat", &[0], &[2]),
    ("fchmodat2", &[0, 3], &[2]),
    ("fchown", &[0, 1, 2], &[]),
    ("fchownat", &[0, 2, 3, 4], &[]),
    ("fcntl", &[0, 1], &[]),
    ("fcntl64", &[0, 1], &[]),
    ("finit_module", &[0, 2], &[]),
    ("fsopen", &[1], &[]),
    ("getsockopt", &[0, 1, 2], &[]),
    ("io_uring_register", &[0, 1, 3], &[]),
    ("io_uring_setup", &[0], &[]),
    ("ioctl", &[0, 1], &[]),
    ("iopl", &[0], &[]),
    // Its upper half is a version.
    ("ipc", &[], &[0]),
    ("kexec_file_load", &[0, 1], &[]),
    ("keyctl", &[0], &[]),
    ("kill", &[0, 1], &[]),
    ("lchown", &[1, 2], &[]),
    ("memfd_create", &[1], &[]),
    ("mkdir", &[], &[1]),
    ("mkdirat", &[0], &[2]),
    ("mknod", &[2], &[1]),
    ("mknodat", &[0, 3], &[2]),
    ("modify_ldt", &[0], &[]),
    ("open", &[1], &[2]),
    ("open_by_handle_at", &[0, 2], &[]),
    ("openat", &[0, 2], &[3]),
    ("perf_event_open", &[1, 2, 3], &[]),
    ("personality", &[0], &[]),
    ("pidfd_getfd", &[0, 1, 2], &[]),
    ("pidfd_open", &[0, 1], &[]),
    ("prctl", &[0], &[]),
    ("prlimit64", &[0, 1], &[]),
    ("quotactl", &[0, 2], &[]),
    ("reboot", &[0, 1, 2], &[]),
    ("renameat2", &[0, 2, 4], &[]),
    ("seccomp", &[0, 1], &[]),
    ("sendmsg", &[0, 2], &[]),
    ("sendto", &[0, 3, 5], &[]),
    ("setgid", &[0], &[]),
    ("setns", &[0, 1], &[]),
    ("setpriority", &[0, 1, 2], &[]),
    ("setresgid", &[0, 1, 2], &[]),
    ("setresuid", &[0, 1, 2], &[]),
    ("setrlimit", &[0], &[]),
    ("setsockopt", &[0, 1, 2, 4], &[]),
    ("setuid", &[0], &[]),
    ("socket", &[0, 1, 2], &[]),
    ("socketcall", &[0], &[]),
    ("socketpair", &[0, 1, 2], &[]),
    ("syslog", &[0, 2], &[]),
    ("tgkill", &[0, 1, 2], &[]),
    ("tkill", &[0, 1], &[]),
    ("umount2", &[1], &[]),
    ("unlinkat", &[0, 2], &[]),
    ("userfaultfd", &[0], &[]),
];

#[cfg(test)]
mod tests {
    use stockade_abi::syscalls::Syscall;

    use super::*;

    #[test]
    fn narrow_arguments_are_those_of_real_calls() {
        assert!(NARROW.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, narrow, modes) in NARROW {
            assert!(Syscall::named(name).is_some(), "{name}");
            assert!(narrow.iter().chain(*modes).all(|it| *it < 6), "{name}");
            assert!(!narrow.iter().any(|it| modes.contains(it)), "{name}");
        }
        for (architecture, name, argument, expected) in [
            (Architecture::X86_64, "ioctl", 1, Some(32)),
            (Architecture::X86_64, "ioctl", 2, None),
            (Architecture::X86_64, "open", 2, Some(16)),
            (Architecture::X86_64, "clone", 0, Some(32)),
            (Architecture::X86_64, "clone", 1, None),
            (Architecture::S390x, "clone", 1, Some(32)),
            (Architecture::S390x, "clone", 0, None),
            (Architecture::X86_64, "unshare", 0, None),
        ] {
            assert_eq!(bits(architecture, name, argument), expected, "{name} {argument}");
        }
    }

    #[test]
    fn names_stand_for_one_value_each_at_arguments_that_there_are() {
        for (index, (name, _, _, places)) in SYMBOLS.iter().enumerate() {
            assert!(SYMBOLS[..index].iter().all(|it| it.0 != *name), "{name}");
            for (syscall, argument) in *places {
                assert!(Syscall::named(syscall).is_some() && *argument < 6, "{name} {syscall}");
            }
        }
        assert_eq!(constant("AF_ALG"), Some(38));
        assert_eq!(constant("AF_NONE"), None);
    }
}
