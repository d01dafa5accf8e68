//! What a filter answers: the actions of seccomp(2), their encoding and their order.
//!
//! Source: `linux/seccomp.h` (`SECCOMP_RET_*`), seccomp(2).

use std::fmt;

use stockade_abi::Errno;

/// An action of a filter.
///
/// The order of the variants is the kernel's precedence: of several filters, the action that
/// stands first here wins; what stands later is more permissive.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// The whole process dies as if by `SIGSYS`.
    KillProcess,
    /// The calling thread dies. OCI's `SCMP_ACT_KILL` is this.
    KillThread,
    /// `SIGSYS` is sent, with the call's address.
    Trap,
    /// The call fails with this error and does nothing.
    Errno(Errno),
    /// A supervisor decides; without one the call fails with `ENOSYS`.
    Notify,
    /// A tracer decides and sees this number; without one the call fails with `ENOSYS`.
    Trace(u16),
    /// The call is done and logged.
    Log,
    /// The call is done.
    Allow,
}

impl Action {
    /// `SCMP_ACT_ERRNO` with its default, `EPERM`.
    pub const EPERM: Self = Self::Errno(Errno(1));

    /// What a call gets that the profile is too old to know: libraries fall back on `ENOSYS`, and
    /// break on `EPERM`.
    pub const ENOSYS: Self = Self::Errno(Errno(38));

    /// The value that a filter returns for this action.
    pub const fn return_value(self) -> u32 {
        match self {
            Self::KillProcess => KILL_PROCESS,
            Self::KillThread => KILL_THREAD,
            Self::Trap => TRAP,
            Self::Errno(number) => ERRNO | number.0 as u32,
            Self::Notify => USER_NOTIF,
            Self::Trace(number) => TRACE | number as u32,
            Self::Log => LOG,
            Self::Allow => ALLOW,
        }
    }

    /// The action that the kernel takes when a filter returns `value`. An action that it does not
    /// know kills the process; an error above 4095 is 4095.
    pub const fn from_return_value(value: u32) -> Self {
        let data = (value & 0xFFFF) as u16;
        match value & 0xFFFF_0000 {
            KILL_THREAD => Self::KillThread,
            TRAP => Self::Trap,
            ERRNO if data > MAX_ERRNO => Self::Errno(Errno(MAX_ERRNO)),
            ERRNO => Self::Errno(Errno(data)),
            USER_NOTIF => Self::Notify,
            TRACE => Self::Trace(data),
            LOG => Self::Log,
            ALLOW => Self::Allow,
            _ => Self::KillProcess,
        }
    }

    /// How permissive the action is: the kernel lets the lowest of several filters win.
    pub const fn permissiveness(self) -> u8 {
        match self {
            Self::KillProcess => 0,
            Self::KillThread => 1,
            Self::Trap => 2,
            Self::Errno(_) => 3,
            Self::Notify => 4,
            Self::Trace(_) => 5,
            Self::Log => 6,
            Self::Allow => 7,
        }
    }

    /// Whether the call is done without asking anybody.
    pub const fn lets_through(self) -> bool {
        match self {
            Self::Allow | Self::Log => true,
            Self::KillProcess
            | Self::KillThread
            | Self::Trap
            | Self::Errno(_)
            | Self::Notify
            | Self::Trace(_) => false,
        }
    }
}

impl fmt::Display for Action {
    /// `allow`, `errno EPERM`, `kill process`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillProcess => f.write_str("kill process"),
            Self::KillThread => f.write_str("kill thread"),
            Self::Trap => f.write_str("trap"),
            Self::Errno(errno) => match errno.name() {
                Some(name) => write!(f, "errno {name}"),
                None => write!(f, "errno {}", errno.0),
            },
            Self::Notify => f.write_str("notify"),
            Self::Trace(number) => write!(f, "trace {number}"),
            Self::Log => f.write_str("log"),
            Self::Allow => f.write_str("allow"),
        }
    }
}

/// The largest error that a filter can return (`MAX_ERRNO`).
pub(crate) const MAX_ERRNO: u16 = 4095;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7FC0_0000;
const TRACE: u32 = 0x7FF0_0000;
const LOG: u32 = 0x7FFC_0000;
const ALLOW: u32 = 0x7FFF_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_kernels_and_lead_back() {
        for (action, value, words) in [
            (Action::KillProcess, 0x8000_0000, "kill process"),
            (Action::KillThread, 0, "kill thread"),
            (Action::Trap, 0x0003_0000, "trap"),
            (Action::EPERM, 0x0005_0001, "errno EPERM"),
            (Action::ENOSYS, 0x0005_0026, "errno ENOSYS"),
            (Action::Errno(Errno(4000)), 0x0005_0FA0, "errno 4000"),
            (Action::Notify, 0x7FC0_0000, "notify"),
            (Action::Trace(7), 0x7FF0_0007, "trace 7"),
            (Action::Log, 0x7FFC_0000, "log"),
            (Action::Allow, 0x7FFF_0000, "allow"),
        ] {
            assert_eq!(action.return_value(), value, "{action}");
            assert_eq!(Action::from_return_value(value), action);
            assert_eq!(action.to_string(), words);
        }
    }

    #[test]
    fn the_kernel_caps_errors_and_kills_on_unknown_actions() {
        for (value, expected) in [
            (0x0005_FFFF, Action::Errno(Errno(4095))),
            (0x7FFF_1234, Action::Allow),
            (0x1234_0000, Action::KillProcess),
            (0x8000_0001, Action::KillProcess),
            (0x0000_0009, Action::KillThread),
        ] {
            assert_eq!(Action::from_return_value(value), expected, "{value:#x}");
        }
    }
}
