//! A system call as a filter sees it: `struct seccomp_data`.
//!
//! Source: seccomp(2), `linux/seccomp.h`, `linux/audit.h`.

use std::fmt;

use stockade_abi::{Architecture, syscalls};

/// What a filter is asked about.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Call {
    /// `AUDIT_ARCH_*`. Not an [`Architecture`]: a filter must answer for unknown ones too.
    pub audit_architecture: u32,
    /// The number as the kernel shows it, x32's with bit 30.
    pub number: u32,
    /// Where the call was made.
    pub instruction_pointer: u64,
    /// The six argument registers. A 32-bit caller's are zero-extended.
    pub arguments: [u64; 6],
}

impl Call {
    /// A call of `number` on `architecture`, all arguments zero.
    pub const fn new(architecture: Architecture, number: u32) -> Self {
        Self {
            audit_architecture: architecture.audit_number(),
            number,
            instruction_pointer: 0,
            arguments: [0; 6],
        }
    }

    /// The same call with these arguments.
    #[must_use]
    pub const fn with(mut self, arguments: [u64; 6]) -> Self {
        self.arguments = arguments;
        self
    }

    /// The architecture whose table the number belongs to, `None` if it is not one that we know.
    ///
    /// On x86_64 that is x32 from number 2³⁰ on, but for -1: a tracer writes that to skip a call,
    /// and the kernel asks the filter about it once more.
    pub fn architecture(&self) -> Option<Architecture> {
        let found = Architecture::ALL
            .into_iter()
            .find(|it| it.audit_number() == self.audit_architecture)?;
        let is_x32 = found == Architecture::X86_64
            && self.number >= syscalls::X32_BIT
            && self.number != u32::MAX;
        Some(if is_x32 { Architecture::X32 } else { found })
    }

    /// The 32 bits at `offset` of `struct seccomp_data`, `None` outside it or between two words.
    ///
    /// The structure has the byte order of the calling architecture, which its audit number tells.
    pub fn word(&self, offset: u32) -> Option<u32> {
        if !offset.is_multiple_of(4) {
            return None;
        }
        let index = usize::try_from(offset / 4).ok()?;
        let is_little = self.audit_architecture & AUDIT_LITTLE_ENDIAN != 0;
        let half = |value: u64, second: bool| {
            if second == is_little { (value >> 32) as u32 } else { value as u32 }
        };
        match index {
            0 => Some(self.number),
            1 => Some(self.audit_architecture),
            2 | 3 => Some(half(self.instruction_pointer, index == 3)),
            4..16 => Some(half(self.arguments[(index - 4) / 2], index % 2 == 1)),
            _ => None,
        }
    }
}

impl fmt::Display for Call {
    /// `socket(0x26, 0x5, 0x0, 0x0, 0x0, 0x0) on x86_64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = self.architecture();
        match architecture.and_then(|it| syscalls::name(it, self.number)) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "call {:#x}", self.number)?,
        }
        for (index, argument) in self.arguments.iter().enumerate() {
            write!(f, "{}{argument:#x}", if index == 0 { "(" } else { ", " })?;
        }
        match architecture {
            Some(known) => write!(f, ") on {known}"),
            None => write!(f, ") on architecture {:#010x}", self.audit_architecture),
        }
    }
}

/// Offset of `seccomp_data.nr`.
pub(crate) const NUMBER_OFFSET: u32 = 0;
/// Offset of `seccomp_data.arch`.
pub(crate) const ARCHITECTURE_OFFSET: u32 = 4;
/// `sizeof(struct seccomp_data)`.
pub(crate) const SIZE: u32 = 64;

/// Offset of one half of an argument, in the byte order of the architecture with that audit number.
pub(crate) const fn argument_offset(audit_architecture: u32, argument: u8, half: Half) -> u32 {
    let is_little = audit_architecture & AUDIT_LITTLE_ENDIAN != 0;
    let second = match half {
        Half::Low => !is_little,
        Half::High => is_little,
    };
    16 + 8 * argument as u32 + if second { 4 } else { 0 }
}

/// A half of a 64-bit argument. Classic BPF computes with 32 bits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Half {
    Low,
    High,
}

/// `__AUDIT_ARCH_LE`.
const AUDIT_LITTLE_ENDIAN: u32 = 0x4000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_byte_order_of_the_caller() {
        let arguments = [0x1111_2222_3333_4444, 0, 0, 0, 0, 0x5555_6666_7777_8888];
        for (architecture, offset, expected) in [
            (Architecture::X86_64, 0, Some(7)),
            (Architecture::X86_64, 4, Some(0xC000_003E)),
            (Architecture::X86_64, 16, Some(0x3333_4444)),
            (Architecture::X86_64, 20, Some(0x1111_2222)),
            (Architecture::X86_64, 60, Some(0x5555_6666)),
            (Architecture::S390x, 16, Some(0x1111_2222)),
            (Architecture::S390x, 20, Some(0x3333_4444)),
            (Architecture::X86_64, 64, None),
            (Architecture::X86_64, 18, None),
        ] {
            let call = Call::new(architecture, 7).with(arguments);
            assert_eq!(call.word(offset), expected, "{offset} on {architecture}");
        }
        for half in [Half::Low, Half::High] {
            for architecture in [Architecture::Aarch64, Architecture::S390x] {
                let call = Call::new(architecture, 7).with(arguments);
                let offset = argument_offset(call.audit_architecture, 5, half);
                let expected = if half == Half::Low { 0x7777_8888 } else { 0x5555_6666 };
                assert_eq!(call.word(offset), Some(expected));
            }
        }
    }

    #[test]
    fn x32_begins_at_bit_30_and_minus_one_is_no_call() {
        for (number, expected) in [
            (0, Architecture::X86_64),
            (0x3FFF_FFFF, Architecture::X86_64),
            (0x4000_0000, Architecture::X32),
            (0x8000_0000, Architecture::X32),
            (0xFFFF_FFFE, Architecture::X32),
            (0xFFFF_FFFF, Architecture::X86_64),
        ] {
            let call = Call::new(Architecture::X86_64, number);
            assert_eq!(call.architecture(), Some(expected), "{number:#x}");
        }
        assert_eq!(Call::default().architecture(), None);
    }

    #[test]
    fn calls_print_as_people_write_them() {
        let call = Call::new(Architecture::X86_64, 41).with([38, 5, 0, 0, 0, 0]);
        assert_eq!(call.to_string(), "socket(0x26, 0x5, 0x0, 0x0, 0x0, 0x0) on x86_64");
    }
}
