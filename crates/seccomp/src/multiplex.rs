//! System calls that some architectures also reach through a multiplexer: `socketcall` and `ipc`.
//!
//! A rule for `socket` on i386 must count for `socketcall(1, …)` too, or it can be walked around.
//! The arguments of the inner call lie in memory, where a filter cannot look: a condition on
//! argument 0 gives way to the number of the inner call, the others stay as they are, as in
//! libseccomp. So `deny socket(AF_ALG)` denies every `socketcall(SYS_SOCKET)`, unless the profile
//! decides on `socketcall` itself.
//!
//! Source: `linux/net.h` (`SYS_*`), `linux/ipc.h`.

use std::num::NonZeroU8;

use stockade_abi::Architecture;
use stockade_abi::syscalls::{self, Syscall};

/// Which system calls lie behind which multiplexer on one architecture.
pub(crate) struct Multiplexed {
    /// Per system call: 0, or the number of the inner call, for `ipc` with [`IPC_MARK`].
    inner: [u8; Syscall::COUNT],
    socketcall: u32,
    ipc: u32,
}

impl Multiplexed {
    /// `None` if the architecture has no multiplexers.
    pub(crate) fn on(architecture: Architecture) -> Option<Self> {
        match architecture {
            Architecture::X86
            | Architecture::Ppc64le
            | Architecture::S390x
            | Architecture::S390 => {}
            Architecture::X86_64
            | Architecture::X32
            | Architecture::Aarch64
            | Architecture::Arm
            | Architecture::Riscv64 => return None,
        }
        let mut inner = [0; Syscall::COUNT];
        for (table, mark) in [(SOCKET, 0), (IPC, IPC_MARK)] {
            for (name, number) in table {
                inner[Syscall::named(name)?.index()] = number | mark;
            }
        }
        let socketcall = syscalls::number(architecture, "socketcall")?;
        let ipc = syscalls::number(architecture, "ipc")?;
        Some(Self { inner, socketcall, ipc })
    }

    /// The number of the multiplexer behind which `syscall` also lies, and its number there.
    pub(crate) fn get(&self, syscall: Syscall) -> Option<(u32, NonZeroU8)> {
        let inner = self.inner[syscall.index()];
        let outer = if inner & IPC_MARK == 0 { self.socketcall } else { self.ipc };
        NonZeroU8::new(inner & !IPC_MARK).map(|inner| (outer, inner))
    }
}

/// The multiplexer behind which `name` also lies on some architectures, and its number there.
pub(crate) fn multiplexer(name: &str) -> Option<(&'static str, u8)> {
    [(SOCKET, "socketcall"), (IPC, "ipc")].into_iter().find_map(|(table, outer)| {
        table.iter().find(|(inner, _)| *inner == name).map(|(_, number)| (outer, *number))
    })
}

const IPC_MARK: u8 = 0x80;

const SOCKET: &[(&str, u8)] = &[
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

const IPC: &[(&str, u8)] = &[
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inner_call_is_known_where_there_are_multiplexers() {
        for architecture in Architecture::ALL {
            let has = syscalls::number(architecture, "socketcall").is_some();
            assert_eq!(Multiplexed::on(architecture).is_some(), has, "{architecture}");
        }
        let i386 = Multiplexed::on(Architecture::X86).unwrap();
        for (name, expected) in [
            ("socket", Some((102, 1))),
            ("sendmmsg", Some((102, 20))),
            ("shmctl", Some((117, 24))),
            ("read", None),
        ] {
            let found = i386.get(Syscall::named(name).unwrap());
            assert_eq!(found.map(|(outer, inner)| (outer, inner.get())), expected, "{name}");
        }
    }
}
