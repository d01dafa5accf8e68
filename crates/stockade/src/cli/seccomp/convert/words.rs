//! The words of the OCI specification for what a profile says.

use stockade_abi::{Architecture, Errno};
use stockade_seccomp::{Action, Flag, Listed, Operator};

/// An action and its number, if it has one that is not the default.
pub(super) fn action(action: Action) -> (&'static str, Option<u16>) {
    match action {
        Action::KillProcess => ("SCMP_ACT_KILL_PROCESS", None),
        Action::KillThread => ("SCMP_ACT_KILL_THREAD", None),
        Action::Trap => ("SCMP_ACT_TRAP", None),
        Action::Errno(Errno(1)) => ("SCMP_ACT_ERRNO", None),
        Action::Errno(Errno(number)) => ("SCMP_ACT_ERRNO", Some(number)),
        Action::Notify => ("SCMP_ACT_NOTIFY", None),
        Action::Trace(1) => ("SCMP_ACT_TRACE", None),
        Action::Trace(number) => ("SCMP_ACT_TRACE", Some(number)),
        Action::Log => ("SCMP_ACT_LOG", None),
        Action::Allow => ("SCMP_ACT_ALLOW", None),
    }
}

/// An operator, its value, and its second one.
pub(super) fn operator(operator: Operator) -> (&'static str, u64, Option<u64>) {
    match operator {
        Operator::NotEqual(value) => ("SCMP_CMP_NE", value, None),
        Operator::Less(value) => ("SCMP_CMP_LT", value, None),
        Operator::LessOrEqual(value) => ("SCMP_CMP_LE", value, None),
        Operator::Equal(value) => ("SCMP_CMP_EQ", value, None),
        Operator::GreaterOrEqual(value) => ("SCMP_CMP_GE", value, None),
        Operator::Greater(value) => ("SCMP_CMP_GT", value, None),
        Operator::MaskedEqual { mask, value } => ("SCMP_CMP_MASKED_EQ", mask, Some(value)),
    }
}

pub(super) fn architecture(listed: Listed) -> &'static str {
    match listed {
        Listed::Foreign(name) => name,
        Listed::Known(Architecture::X86_64) => "SCMP_ARCH_X86_64",
        Listed::Known(Architecture::X32) => "SCMP_ARCH_X32",
        Listed::Known(Architecture::X86) => "SCMP_ARCH_X86",
        Listed::Known(Architecture::Aarch64) => "SCMP_ARCH_AARCH64",
        Listed::Known(Architecture::Arm) => "SCMP_ARCH_ARM",
        Listed::Known(Architecture::Riscv64) => "SCMP_ARCH_RISCV64",
        Listed::Known(Architecture::Ppc64le) => "SCMP_ARCH_PPC64LE",
        Listed::Known(Architecture::S390x) => "SCMP_ARCH_S390X",
        Listed::Known(Architecture::S390) => "SCMP_ARCH_S390",
    }
}

pub(super) fn flag(flag: Flag) -> &'static str {
    match flag {
        Flag::Tsync => "SECCOMP_FILTER_FLAG_TSYNC",
        Flag::Log => "SECCOMP_FILTER_FLAG_LOG",
        Flag::SpecAllow => "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        Flag::WaitKillableRecv => "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}
