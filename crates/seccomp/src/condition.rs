//! A condition on one argument, and its meaning on 64 and on 32 bits.
//!
//! A 32-bit architecture (x32 counts as one) compares the low 32 bits of the argument with the low
//! 32 bits of the constant, as libseccomp does: its kernel entry ignores the rest.

use std::fmt;

use stockade_abi::Architecture;

/// A condition on one argument.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// What must hold for it.
    pub operator: Operator,
}

/// A comparison with a constant, unsigned.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operator {
    /// `SCMP_CMP_NE`.
    NotEqual(u64),
    /// `SCMP_CMP_LT`.
    Less(u64),
    /// `SCMP_CMP_LE`.
    LessOrEqual(u64),
    /// `SCMP_CMP_EQ`.
    Equal(u64),
    /// `SCMP_CMP_GE`.
    GreaterOrEqual(u64),
    /// `SCMP_CMP_GT`.
    Greater(u64),
    /// `SCMP_CMP_MASKED_EQ`: equal in the bits of the mask. Bits of `value` outside it do not count.
    MaskedEqual {
        /// The bits that count.
        mask: u64,
        /// What they must be.
        value: u64,
    },
}

impl Operator {
    /// Whether `argument` satisfies it.
    pub const fn holds(self, argument: u64) -> bool {
        match self {
            Self::NotEqual(value) => argument != value,
            Self::Less(value) => argument < value,
            Self::LessOrEqual(value) => argument <= value,
            Self::Equal(value) => argument == value,
            Self::GreaterOrEqual(value) => argument >= value,
            Self::Greater(value) => argument > value,
            Self::MaskedEqual { mask, value } => argument & mask == value & mask,
        }
    }

    /// The same as an architecture of that width computes it.
    #[must_use]
    pub const fn on(self, width: Width) -> Self {
        match width {
            Width::Bits64 => self,
            Width::Bits32 => match self {
                Self::NotEqual(value) => Self::NotEqual(low(value)),
                Self::Less(value) => Self::Less(low(value)),
                Self::LessOrEqual(value) => Self::LessOrEqual(low(value)),
                Self::Equal(value) => Self::Equal(low(value)),
                Self::GreaterOrEqual(value) => Self::GreaterOrEqual(low(value)),
                Self::Greater(value) => Self::Greater(low(value)),
                Self::MaskedEqual { mask, value } => {
                    Self::MaskedEqual { mask: low(mask), value: low(value) }
                }
            },
        }
    }

    /// Whether every argument satisfies it because no bit counts.
    pub(crate) const fn is_void(self) -> bool {
        matches!(self, Self::MaskedEqual { mask: 0, .. })
    }
}

impl fmt::Display for Condition {
    /// `arg0 & 0x7e020000 == 0x0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = match self.operator {
            Operator::NotEqual(value) => ("!=", value),
            Operator::Less(value) => ("<", value),
            Operator::LessOrEqual(value) => ("<=", value),
            Operator::Equal(value) => ("==", value),
            Operator::GreaterOrEqual(value) => (">=", value),
            Operator::Greater(value) => (">", value),
            Operator::MaskedEqual { mask, value } => {
                return write!(f, "arg{} & {mask:#x} == {value:#x}", self.argument);
            }
        };
        write!(f, "arg{} {sign} {value:#x}", self.argument)
    }
}

/// How many bits of an argument count.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Width {
    /// The low half.
    Bits32,
    /// All of it.
    Bits64,
}

impl Width {
    /// The width of an architecture's arguments.
    pub const fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X86_64
            | Architecture::Aarch64
            | Architecture::Riscv64
            | Architecture::Ppc64le
            | Architecture::S390x => Self::Bits64,
            Architecture::X32 | Architecture::X86 | Architecture::Arm | Architecture::S390 => {
                Self::Bits32
            }
        }
    }

    /// The bits of `argument` that count.
    pub const fn truncate(self, argument: u64) -> u64 {
        match self {
            Self::Bits32 => low(argument),
            Self::Bits64 => argument,
        }
    }
}

const fn low(value: u64) -> u64 {
    value & 0xFFFF_FFFF
}
