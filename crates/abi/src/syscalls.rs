//! Names and numbers of system calls, per architecture.
//!
//! The table is generated from the kernel's headers (`cargo xtask tables`) and says in its header
//! from which release. Numbers are those of `seccomp_data.nr`: x32's carry bit 30.
//!
//! ```
//! use stockade_abi::{Architecture, syscalls};
//!
//! assert_eq!(syscalls::number(Architecture::X86_64, "chmod"), Some(90));
//! assert_eq!(syscalls::name(Architecture::X32, 0x4000_005A), Some("chmod"));
//! assert_eq!(syscalls::number(Architecture::Aarch64, "chmod"), None);
//! ```

use crate::Architecture;

mod table;

use table::ROWS;

/// Bit 30, which tells x32 from x86_64 (`__X32_SYSCALL_BIT`).
pub const X32_BIT: u32 = 0x4000_0000;

/// A system call that some architecture has, as its place in the table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Syscall(u16);

impl Syscall {
    /// The system call of that name, if any supported architecture has one.
    #[inline]
    pub fn named(name: &str) -> Option<Self> {
        let mut slot = hash(name.as_bytes());
        loop {
            let row = SLOTS[slot];
            if row == ABSENT {
                return None;
            }
            if ROWS[usize::from(row)].0 == name {
                return Some(Self(row));
            }
            slot = (slot + 1) % SLOTS.len();
        }
    }

    /// Every system call, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROWS.len() as u16).map(Self)
    }

    /// How many there are.
    pub const COUNT: usize = ROWS.len();

    /// Its place among all of them, below [`Syscall::COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        ROWS[usize::from(self.0)].0
    }

    /// The number on `architecture`, `None` if it has no such call.
    #[inline]
    pub fn number(self, architecture: Architecture) -> Option<u32> {
        decode(ROWS[usize::from(self.0)].1[column(architecture)], architecture)
    }
}

/// The number of a system call, `None` if the architecture has none of that name.
pub fn number(architecture: Architecture, name: &str) -> Option<u32> {
    Syscall::named(name)?.number(architecture)
}

/// The name of a system call, `None` if the architecture has none of that number.
pub fn name(architecture: Architecture, number: u32) -> Option<&'static str> {
    let bare = match architecture {
        Architecture::X32 => number.checked_sub(X32_BIT)?,
        Architecture::Arm if number & !0xFFF == ARM_PRIVATE => {
            let wanted = PRIVATE_MARK | (number & 0xFFF) as u16;
            let row = ROWS.iter().find(|row| row.1[column(Architecture::Arm)] == wanted)?;
            return Some(row.0);
        }
        Architecture::X86_64
        | Architecture::X86
        | Architecture::Aarch64
        | Architecture::Arm
        | Architecture::Riscv64
        | Architecture::Ppc64le
        | Architecture::S390x
        | Architecture::S390 => number,
    };
    let row = *BY_NUMBER[column(architecture)].get(usize::try_from(bare).ok()?)?;
    (row != ABSENT).then(|| ROWS[usize::from(row)].0)
}

/// The newest number that the table knows, in the range in which the kernel appends new calls.
///
/// x32's own range (512 to 547) and ARM's private range are closed and do not count.
pub fn newest(architecture: Architecture) -> u32 {
    all(architecture)
        .map(|(number, _)| number)
        .filter(|number| is_open_range(architecture, *number))
        .max()
        .unwrap_or(0)
}

/// Whether `number` lies in the range in which the kernel appends new system calls.
#[inline]
pub const fn is_open_range(architecture: Architecture, number: u32) -> bool {
    match open_range_end(architecture) {
        Some(end) => number < end,
        None => true,
    }
}

/// Where the range ends in which the kernel appends new system calls, `None` if it has no end.
#[inline]
pub const fn open_range_end(architecture: Architecture) -> Option<u32> {
    match architecture {
        Architecture::X32 => Some(X32_BIT + 512),
        Architecture::Arm => Some(ARM_PRIVATE),
        Architecture::X86_64
        | Architecture::X86
        | Architecture::Aarch64
        | Architecture::Riscv64
        | Architecture::Ppc64le
        | Architecture::S390x
        | Architecture::S390 => None,
    }
}

/// Numbers and names of an architecture, by name.
pub fn all(architecture: Architecture) -> impl Iterator<Item = (u32, &'static str)> {
    Syscall::all().filter_map(move |it| Some((it.number(architecture)?, it.name())))
}

/// Name, and number per architecture in the order of [`Architecture::ALL`].
type Row = (&'static str, [u16; 9]);

/// The architecture has no such call.
const ABSENT: u16 = u16::MAX;

/// ARM's private calls stand in the table as their distance from [`ARM_PRIVATE`], with these bits.
const PRIVATE_MARK: u16 = 0xF000;

/// `__ARM_NR_BASE`.
const ARM_PRIVATE: u32 = 0x000F_0000;

#[inline]
const fn column(architecture: Architecture) -> usize {
    match architecture {
        Architecture::X86_64 => 0,
        Architecture::X32 => 1,
        Architecture::X86 => 2,
        Architecture::Aarch64 => 3,
        Architecture::Arm => 4,
        Architecture::Riscv64 => 5,
        Architecture::Ppc64le => 6,
        Architecture::S390x => 7,
        Architecture::S390 => 8,
    }
}

#[inline]
fn decode(stored: u16, architecture: Architecture) -> Option<u32> {
    match stored {
        ABSENT => None,
        it if it >= PRIVATE_MARK => Some(ARM_PRIVATE | u32::from(it & 0xFFF)),
        it if architecture == Architecture::X32 => Some(X32_BIT | u32::from(it)),
        it => Some(u32::from(it)),
    }
}

/// Open addressing, built by the compiler: a profile names some four hundred calls, and a binary
/// search for each would cost more than all the rest of its parsing.
static SLOTS: [u16; 2048] = {
    let mut slots = [ABSENT; 2048];
    let mut row = 0;
    while row < ROWS.len() {
        let mut slot = hash(ROWS[row].0.as_bytes());
        while slots[slot] != ABSENT {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = row as u16;
        row += 1;
    }
    slots
};

/// The row of each number below 1024, per architecture.
static BY_NUMBER: [[u16; 1024]; 9] = {
    let mut rows = [[ABSENT; 1024]; 9];
    let mut row = 0;
    while row < ROWS.len() {
        let mut column = 0;
        while column < 9 {
            let number = ROWS[row].1[column];
            // Two names of one number: the first in the alphabet stands for it.
            if number < 1024 && rows[column][number as usize] == ABSENT {
                rows[column][number as usize] = row as u16;
            }
            column += 1;
        }
        row += 1;
    }
    rows
};

/// A place in [`SLOTS`] from the length and the first, middle and last letters: names are short, and
/// hashing them letter by letter would cost more than the rest of the search.
const fn hash(bytes: &[u8]) -> usize {
    let length = bytes.len();
    let mixed = if length < 4 {
        let mut all = 0;
        let mut index = 0;
        while index < length {
            all = all << 8 | bytes[index] as u32;
            index += 1;
        }
        all
    } else {
        let (first, last) = (word(bytes, 0), word(bytes, length - 4));
        let middle = word(bytes, length / 2 - 2);
        first.wrapping_mul(0x9E37_79B1) ^ last.wrapping_mul(0x85EB_CA6B) ^ middle.rotate_left(13)
    };
    ((mixed ^ length as u32).wrapping_mul(0x9E37_79B1) >> 21) as usize
}

const fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Architecture::*;

    #[test]
    fn numbers_are_the_kernels() {
        for (architecture, name, expected) in [
            (X86_64, "read", Some(0)),
            (X86_64, "chmod", Some(90)),
            (X86_64, "clone3", Some(435)),
            (X86_64, "uretprobe", Some(335)),
            (X86_64, "socketcall", None),
            (X32, "read", Some(X32_BIT)),
            (X32, "execve", Some(X32_BIT + 520)),
            (X86, "socketcall", Some(102)),
            (X86, "clock_gettime64", Some(403)),
            (Aarch64, "chmod", None),
            (Aarch64, "newfstatat", Some(79)),
            (Aarch64, "sync_file_range", Some(84)),
            (Arm, "set_tls", Some(0x000F_0005)),
            (Arm, "sync_file_range2", Some(341)),
            (Arm, "arm_sync_file_range", Some(341)),
            (Riscv64, "riscv_flush_icache", Some(259)),
            (Riscv64, "riscv_hwprobe", Some(258)),
            (Ppc64le, "swapcontext", Some(249)),
            (S390x, "s390_pci_mmio_write", Some(352)),
            (S390, "socketcall", Some(102)),
            (S390, "clone3", Some(435)),
            (X86_64, "no_such_call", None),
            (X86_64, "", None),
        ] {
            assert_eq!(number(architecture, name), expected, "{name} on {architecture}");
        }
    }

    #[test]
    fn every_name_is_found_and_leads_back() {
        for syscall in Syscall::all() {
            assert_eq!(Syscall::named(syscall.name()), Some(syscall));
        }
        for architecture in Architecture::ALL {
            for (nr, known) in all(architecture) {
                let back = name(architecture, nr).unwrap();
                assert_eq!(number(architecture, back), Some(nr), "{known} on {architecture}");
            }
            assert!(all(architecture).count() > 300, "{architecture}");
        }
    }

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(ROWS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn newest_ignores_closed_ranges() {
        for architecture in Architecture::ALL {
            let newest = newest(architecture);
            let expected = if architecture == S390 { 450..=450 } else { 471..=600 };
            let bare = newest & !X32_BIT;
            assert!(expected.contains(&bare), "{architecture}: {bare}");
        }
        assert_eq!(name(X32, 0), None);
        assert_eq!(name(X86_64, X32_BIT), None);
        assert_eq!(name(X86_64, u32::MAX), None);
    }
}
