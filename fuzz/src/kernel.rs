//! Which programs the kernel takes for seccomp, written down a second time and in another way than
//! in `stockade-seccomp`: instruction by instruction, as classes and modes.
//!
//! Source: `net/core/filter.c` (`chk_code_allowed`, `bpf_check_classic`, `check_load_and_stores`),
//! `kernel/seccomp.c` (`seccomp_check_filter`); `linux/bpf_common.h` for the parts of a code.

use stockade_abi::bpf::Instruction;

/// Whether `seccomp(2)` takes the program.
pub(crate) fn takes(code: &[Instruction]) -> bool {
    let length = code.len();
    (1..=4096).contains(&length)
        && code.iter().enumerate().all(|(at, it)| takes_one(it, length - at - 1))
        && code.last().is_some_and(|it| it.code & 0x07 == RET)
        && scratch_is_written(code)
}

/// `after` is how many instructions follow.
fn takes_one(it: &Instruction, after: usize) -> bool {
    if !CODES.contains(&it.code) {
        return false;
    }
    let (class, operation, has_constant) = (it.code & 0x07, it.code & 0xF0, it.code & 0x08 == 0);
    let is_inside = |distance: u32| (distance as usize) < after;
    match class {
        LD if it.code & 0xE0 == ABS => it.k < 64 && it.k.is_multiple_of(4),
        LD | LDX if it.code & 0xE0 == MEM => it.k < 16,
        ST | STX => it.k < 16,
        ALU if has_constant && operation == DIV => it.k != 0,
        ALU if has_constant && (operation == LSH || operation == RSH) => it.k < 32,
        JMP if operation == 0 => is_inside(it.k),
        JMP => is_inside(it.jt.into()) && is_inside(it.jf.into()),
        _ => true,
    }
}

/// No path reads a word of scratch memory that it has not written: by following every path, with
/// what was written so far.
fn scratch_is_written(code: &[Instruction]) -> bool {
    let mut entered: Vec<Option<u16>> = vec![None; code.len()];
    entered[0] = Some(0);
    for (at, it) in code.iter().enumerate() {
        // The kernel looks at code that nothing leads to, too. All is written there.
        let before = entered[at].unwrap_or(u16::MAX);
        let (class, bit) = (it.code & 0x07, 1u16.checked_shl(it.k).unwrap_or(0));
        let is_load = (class == LD || class == LDX) && it.code & 0xE0 == MEM;
        if is_load && before & bit == 0 {
            return false;
        }
        let now = if class == ST || class == STX { before | bit } else { before };
        // To the kernel the instruction behind a return follows it like any other.
        let (near, far) = match class {
            JMP if it.code & 0xF0 == 0 => (it.k as usize, it.k as usize),
            JMP => (usize::from(it.jt), usize::from(it.jf)),
            _ => (0, 0),
        };
        for distance in [near, far] {
            if let Some(next) = entered.get_mut(at + 1 + distance) {
                *next = Some(next.unwrap_or(u16::MAX) & now);
            }
        }
    }
    true
}

const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;

const ABS: u16 = 0x20;
const MEM: u16 = 0x60;

const DIV: u16 = 0x30;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;

/// What `seccomp_check_filter` lets pass: loads of words, of constants, of the length and of scratch
/// memory; stores; arithmetic without remainders; jumps; returns; the two moves between registers.
#[rustfmt::skip]
pub(crate) const CODES: &[u16] = &[
    0x20, 0x00, 0x80, 0x60, 0x01, 0x81, 0x61, 0x02, 0x03,
    0x04, 0x0C, 0x14, 0x1C, 0x24, 0x2C, 0x34, 0x3C, 0x44, 0x4C, 0x54, 0x5C, 0x64, 0x6C, 0x74, 0x7C, 0x84, 0xA4, 0xAC,
    0x05, 0x15, 0x1D, 0x25, 0x2D, 0x35, 0x3D, 0x45, 0x4D,
    0x06, 0x16, 0x07, 0x87,
];
