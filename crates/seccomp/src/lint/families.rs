//! Calls that do the same, so that to deny one and not the others denies nothing.
//!
//! As of Linux 6.17. To add a call that a release of the kernel brought, add it to its family.

use super::Severity;

/// Calls of which each does what another does.
pub(super) struct Family {
    /// How bad it is if one is denied and another is open.
    pub(super) severity: Severity,
    /// What they do, after "these".
    pub(super) what: &'static str,
    pub(super) names: &'static [&'static str],
}

/// The families.
#[rustfmt::skip]
pub(super) const FAMILIES: &[Family] = &[
    same("open files", &["open", "openat", "openat2", "creat"]),
    same("change modes", &["chmod", "fchmod", "fchmodat", "fchmodat2"]),
    same("change owners", &["chown", "fchown", "lchown", "fchownat"]),
    same("set extended attributes", &["setxattr", "lsetxattr", "fsetxattr", "setxattrat"]),
    same("remove extended attributes", &["removexattr", "lremovexattr", "fremovexattr", "removexattrat"]),
    same("make device nodes", &["mknod", "mknodat"]),
    same("make directories", &["mkdir", "mkdirat"]),
    same("remove names", &["unlink", "unlinkat"]),
    same("remove directories", &["rmdir", "unlinkat"]),
    same("rename", &["rename", "renameat", "renameat2"]),
    same("make hard links", &["link", "linkat"]),
    same("make symbolic links", &["symlink", "symlinkat"]),
    same("execute programs", &["execve", "execveat"]),
    same("mount", &["mount", "fsopen", "fspick", "fsconfig", "fsmount", "move_mount", "open_tree", "open_tree_attr", "mount_setattr"]),
    same("unmount", &["umount", "umount2"]),
    same("make namespaces", &["unshare", "clone", "clone3"]),
    same("load kernels", &["kexec_load", "kexec_file_load"]),
    same("load modules", &["init_module", "finit_module"]),
    same("set the clock", &["settimeofday", "stime", "clock_settime"]),
    same("open I/O ports", &["iopl", "ioperm"]),
    same("set limits", &["setrlimit", "prlimit64"]),
    same("set quotas", &["quotactl", "quotactl_fd"]),
    akin("reach into other processes", &["ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"]),
    akin("use keys of the kernel", &["add_key", "request_key", "keyctl"]),
    akin("send signals", &["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"]),
    akin("make processes", &["fork", "vfork", "clone", "clone3"]),
    akin("accept connections", &["accept", "accept4"]),
    akin("send messages", &["sendto", "sendmsg", "sendmmsg"]),
    akin("receive messages", &["recvfrom", "recvmsg", "recvmmsg"]),
    akin("set times of files", &["utime", "utimes", "futimesat", "utimensat"]),
    akin("set the scheduler", &["sched_setscheduler", "sched_setattr", "sched_setparam"]),
    akin("change users", &["setuid", "setreuid", "setresuid"]),
    akin("change groups", &["setgid", "setregid", "setresgid"]),
    akin("lock memory", &["mlock", "mlock2", "mlockall"]),
    akin("read", &["read", "readv", "pread64", "preadv", "preadv2"]),
    akin("write", &["write", "writev", "pwrite64", "pwritev", "pwritev2"]),
];

/// Endings by which a 32-bit architecture tells the later form of a call, with wider types, from
/// the first.
pub(super) const LATER_FORMS: &[&str] = &["_time64", "64", "32"];

const fn same(what: &'static str, names: &'static [&'static str]) -> Family {
    Family { severity: Severity::Error, what, names }
}

const fn akin(what: &'static str, names: &'static [&'static str]) -> Family {
    Family { severity: Severity::Warning, what, names }
}
