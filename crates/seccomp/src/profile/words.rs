//! The words of a profile: actions, operators, architectures, flags.

use stockade_abi::Architecture;

use super::{Flag, Listed};

/// An action without its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ActionWord {
    KillProcess,
    KillThread,
    Trap,
    Errno,
    Notify,
    Trace,
    Log,
    Allow,
}

pub(super) const ACTIONS: &[(&str, ActionWord)] = &[
    ("SCMP_ACT_ALLOW", ActionWord::Allow),
    ("SCMP_ACT_ERRNO", ActionWord::Errno),
    ("SCMP_ACT_KILL", ActionWord::KillThread),
    ("SCMP_ACT_KILL_PROCESS", ActionWord::KillProcess),
    ("SCMP_ACT_KILL_THREAD", ActionWord::KillThread),
    ("SCMP_ACT_LOG", ActionWord::Log),
    ("SCMP_ACT_NOTIFY", ActionWord::Notify),
    ("SCMP_ACT_TRACE", ActionWord::Trace),
    ("SCMP_ACT_TRAP", ActionWord::Trap),
];

/// An operator without its constants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OperatorWord {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    MaskedEqual,
}

pub(super) const OPERATORS: &[(&str, OperatorWord)] = &[
    ("SCMP_CMP_EQ", OperatorWord::Equal),
    ("SCMP_CMP_GE", OperatorWord::GreaterOrEqual),
    ("SCMP_CMP_GT", OperatorWord::Greater),
    ("SCMP_CMP_LE", OperatorWord::LessOrEqual),
    ("SCMP_CMP_LT", OperatorWord::Less),
    ("SCMP_CMP_MASKED_EQ", OperatorWord::MaskedEqual),
    ("SCMP_CMP_NE", OperatorWord::NotEqual),
];

pub(super) const FLAGS: &[(&str, Flag)] = &[
    ("SECCOMP_FILTER_FLAG_LOG", Flag::Log),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", Flag::SpecAllow),
    ("SECCOMP_FILTER_FLAG_TSYNC", Flag::Tsync),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", Flag::WaitKillableRecv),
];

/// `SCMP_ARCH_*`.
pub(super) const ARCHITECTURES: &[(&str, Listed)] = &[
    ("SCMP_ARCH_X86_64", Listed::Known(Architecture::X86_64)),
    ("SCMP_ARCH_X32", Listed::Known(Architecture::X32)),
    ("SCMP_ARCH_X86", Listed::Known(Architecture::X86)),
    ("SCMP_ARCH_AARCH64", Listed::Known(Architecture::Aarch64)),
    ("SCMP_ARCH_ARM", Listed::Known(Architecture::Arm)),
    ("SCMP_ARCH_RISCV64", Listed::Known(Architecture::Riscv64)),
    ("SCMP_ARCH_PPC64LE", Listed::Known(Architecture::Ppc64le)),
    ("SCMP_ARCH_S390X", Listed::Known(Architecture::S390x)),
    ("SCMP_ARCH_S390", Listed::Known(Architecture::S390)),
    ("SCMP_ARCH_LOONGARCH64", Listed::Foreign("SCMP_ARCH_LOONGARCH64")),
    ("SCMP_ARCH_M68K", Listed::Foreign("SCMP_ARCH_M68K")),
    ("SCMP_ARCH_MIPS", Listed::Foreign("SCMP_ARCH_MIPS")),
    ("SCMP_ARCH_MIPS64", Listed::Foreign("SCMP_ARCH_MIPS64")),
    ("SCMP_ARCH_MIPS64N32", Listed::Foreign("SCMP_ARCH_MIPS64N32")),
    ("SCMP_ARCH_MIPSEL", Listed::Foreign("SCMP_ARCH_MIPSEL")),
    ("SCMP_ARCH_MIPSEL64", Listed::Foreign("SCMP_ARCH_MIPSEL64")),
    ("SCMP_ARCH_MIPSEL64N32", Listed::Foreign("SCMP_ARCH_MIPSEL64N32")),
    ("SCMP_ARCH_PARISC", Listed::Foreign("SCMP_ARCH_PARISC")),
    ("SCMP_ARCH_PARISC64", Listed::Foreign("SCMP_ARCH_PARISC64")),
    ("SCMP_ARCH_PPC", Listed::Foreign("SCMP_ARCH_PPC")),
    ("SCMP_ARCH_PPC64", Listed::Foreign("SCMP_ARCH_PPC64")),
    ("SCMP_ARCH_SH", Listed::Foreign("SCMP_ARCH_SH")),
    ("SCMP_ARCH_SHEB", Listed::Foreign("SCMP_ARCH_SHEB")),
];

/// The names in Docker's `includes.arches`: Go's.
pub(super) const GO_ARCHITECTURES: &[(&str, Listed)] = &[
    ("amd64", Listed::Known(Architecture::X86_64)),
    ("x32", Listed::Known(Architecture::X32)),
    ("x86", Listed::Known(Architecture::X86)),
    ("arm64", Listed::Known(Architecture::Aarch64)),
    ("arm", Listed::Known(Architecture::Arm)),
    ("riscv64", Listed::Known(Architecture::Riscv64)),
    ("ppc64le", Listed::Known(Architecture::Ppc64le)),
    ("s390x", Listed::Known(Architecture::S390x)),
    ("s390", Listed::Known(Architecture::S390)),
    ("loong64", Listed::Foreign("loong64")),
    ("mips", Listed::Foreign("mips")),
    ("mips64", Listed::Foreign("mips64")),
    // As runc and the default profile of Docker 20.10 spell it.
    ("mips3l64n32", Listed::Foreign("mips3l64n32")),
    ("mips64n32", Listed::Foreign("mips64n32")),
    ("mipsel", Listed::Foreign("mipsel")),
    ("mipsel64", Listed::Foreign("mipsel64")),
    ("mipsel64n32", Listed::Foreign("mipsel64n32")),
    ("ppc", Listed::Foreign("ppc")),
    ("ppc64", Listed::Foreign("ppc64")),
];
