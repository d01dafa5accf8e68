//! Arguments of which the kernel looks at fewer bits than a register has.
//!
//! As of Linux 6.17; from the declarations (`SYSCALL_DEFINE*`) and, for `clone`, from
//! `lower_32_bits` in `kernel/fork.c`. What is not here is a pointer, a size, an address, or
//! of the register's width.

use stockade_abi::Architecture;

/// How many bits of an argument the kernel looks at, if it is known to be fewer than all.
pub(super) fn bits(architecture: Architecture, name: &str, argument: u8) -> Option<u32> {
    let is_s390 = matches!(architecture, Architecture::S390x | Architecture::S390);
    if name == "clone" {
        // S/390 has the stack first.
        return (argument == u8::from(is_s390)).then_some(32);
    }
    let row = NARROW.iter().find(|(it, ..)| *it == name)?;
    if row.1.contains(&argument) { Some(32) } else { row.2.contains(&argument).then_some(16) }
}

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
    ("finit_module", &[0, 2], &[]),
    ("fsopen", &[1], &[]),
    ("getsockopt", &[0, 1, 2], &[]),
    ("io_uring_setup", &[0], &[]),
    ("ioctl", &[0, 1], &[]),
    ("iopl", &[0], &[]),
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
}
