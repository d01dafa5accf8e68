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

    /// Whether every argument that satisfies it satisfies `other`, as far as that is plain to see.
    pub(crate) const fn implies(self, other: Self) -> bool {
        if let Self::MaskedEqual { mask, value } = self {
            return match other {
                Self::MaskedEqual { mask: wanted, value: required } => {
                    wanted & !mask == 0 && (value & mask) & wanted == required & wanted
                }
                Self::NotEqual(excluded) => excluded & mask != value & mask,
                Self::Less(limit) => (value | !mask) < limit,
                Self::LessOrEqual(limit) => (value | !mask) <= limit,
                Self::GreaterOrEqual(limit) => value & mask >= limit,
                Self::Greater(limit) => value & mask > limit,
                Self::Equal(only) => mask == u64::MAX && value == only,
            };
        }
        match (self.range(), other.range()) {
            (Some((first, last)), Some((least, most))) => {
                first > last || (least <= first && last <= most)
            }
            (Some((first, last)), None) => {
                if let Self::NotEqual(excluded) = other {
                    excluded < first || last < excluded
                } else {
                    first == last && other.holds(first)
                }
            }
            (None, _) => match (self, other) {
                (Self::NotEqual(one), Self::NotEqual(same)) => one == same,
                _ => false,
            },
        }
    }

    /// The arguments that satisfy it, if they are neighbours. Empty if the first is the larger.
    const fn range(self) -> Option<(u64, u64)> {
        match self {
            Self::Equal(value) => Some((value, value)),
            Self::Less(0) | Self::Greater(u64::MAX) => Some((1, 0)),
            Self::Less(limit) => Some((0, limit - 1)),
            Self::LessOrEqual(limit) => Some((0, limit)),
            Self::GreaterOrEqual(limit) => Some((limit, u64::MAX)),
            Self::Greater(limit) => Some((limit + 1, u64::MAX)),
            Self::NotEqual(_) | Self::MaskedEqual { .. } => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Over all small operators: what implies is true, and what is true is mostly seen.
    #[test]
    fn one_condition_implies_another_only_if_it_does() {
        use Operator::*;
        let values = [0, 1, 2, 5, 6, u64::MAX - 1, u64::MAX];
        let plain = [NotEqual, Less, LessOrEqual, Equal, GreaterOrEqual, Greater];
        let masked = |value| [1, 3, 7, u64::MAX].map(|mask| MaskedEqual { mask, value });
        let all: Vec<Operator> = values
            .into_iter()
            .flat_map(|value| plain.map(|it| it(value)).into_iter().chain(masked(value)))
            .collect();
        let arguments = || (0..32).chain(u64::MAX - 32..=u64::MAX);
        for one in &all {
            for other in &all {
                let holds = arguments().all(|it| !one.holds(it) || other.holds(it));
                assert!(holds || !one.implies(*other), "{one:?} {other:?}");
            }
            assert!(one.implies(*one), "{one:?}");
        }
        for (one, other) in [
            (Equal(5), Less(6)),
            (Equal(5), MaskedEqual { mask: 4, value: 4 }),
            (Less(5), NotEqual(5)),
            (Greater(5), GreaterOrEqual(5)),
            (Less(0), Equal(9)),
            (MaskedEqual { mask: 7, value: 5 }, MaskedEqual { mask: 4, value: 4 }),
            (MaskedEqual { mask: !3, value: 4 }, Less(8)),
        ] {
            assert!(one.implies(other), "{one:?} {other:?}");
            assert!(!other.implies(one), "{other:?} {one:?}");
        }
    }
}
