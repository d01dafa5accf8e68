//! Syscall interfaces as seccomp tells them apart.
//!
//! Source: `linux/audit.h` (`AUDIT_ARCH_*`). x32 shares x86_64's number and is told from it by bit
//! 30 of the syscall number.

use std::fmt;

/// A syscall interface.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 64-bit x86 with 32-bit pointers; syscall numbers have bit 30 set.
    X32,
    /// 32-bit x86.
    X86,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, EABI.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit POWER, little endian.
    Ppc64le,
    /// 64-bit IBM Z.
    S390x,
    /// 31-bit IBM Z.
    S390,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 9] = [
        Self::X86_64,
        Self::X32,
        Self::X86,
        Self::Aarch64,
        Self::Arm,
        Self::Riscv64,
        Self::Ppc64le,
        Self::S390x,
        Self::S390,
    ];

    /// The interface that this program itself was built for.
    pub const NATIVE: Self = {
        #[cfg(target_arch = "x86_64")]
        {
            Self::X86_64
        }
        #[cfg(target_arch = "aarch64")]
        {
            Self::Aarch64
        }
        #[cfg(target_arch = "riscv64")]
        {
            Self::Riscv64
        }
        #[cfg(target_arch = "powerpc64")]
        {
            Self::Ppc64le
        }
        #[cfg(target_arch = "s390x")]
        {
            Self::S390x
        }
    };

    /// The number in `seccomp_data.arch`.
    pub const fn audit_number(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xC000_003E,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xC000_00B7,
            Self::Arm => 0x4000_0028,
            Self::Riscv64 => 0xC000_00F3,
            Self::Ppc64le => 0xC000_0015,
            Self::S390x => 0x8000_0016,
            Self::S390 => 0x0000_0016,
        }
    }

    /// The name in OCI and Docker profiles: `SCMP_ARCH_X86_64`.
    pub const fn scmp_name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::X32 => "SCMP_ARCH_X32",
            Self::X86 => "SCMP_ARCH_X86",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
            Self::Arm => "SCMP_ARCH_ARM",
            Self::Riscv64 => "SCMP_ARCH_RISCV64",
            Self::Ppc64le => "SCMP_ARCH_PPC64LE",
            Self::S390x => "SCMP_ARCH_S390X",
            Self::S390 => "SCMP_ARCH_S390",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::X32 => "x32",
            Self::X86 => "i386",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::Riscv64 => "riscv64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::S390 => "s390",
        })
    }
}
