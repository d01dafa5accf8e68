//! Classic BPF as the kernel checks and runs it for seccomp.
//!
//! Takes programs of any origin: also one that was read back from the kernel, or that somebody else
//! compiled.
//!
//! Source: `net/core/filter.c` (`bpf_check_classic`, `check_load_and_stores`), `kernel/seccomp.c`
//! (`seccomp_check_filter`), seccomp(2).

use stockade_abi::bpf::{Instruction, Program};
use thiserror::Error;

use crate::call::{Call, SIZE};

/// A program that the kernel would refuse with `EINVAL`.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum BadProgram {
    /// An instruction that seccomp does not take.
    #[error("instruction {at}: unknown code {code:#06x}")]
    UnknownCode {
        /// Its index.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// A jump past the end.
    #[error("instruction {at}: jumps out of the program")]
    JumpsOut {
        /// Its index.
        at: usize,
    },
    /// The last instruction does not return.
    #[error("the program does not end with a return")]
    NoReturn,
    /// A load that is not of a whole word of `struct seccomp_data`.
    #[error("instruction {at}: loads from offset {offset}")]
    BadLoad {
        /// Its index.
        at: usize,
        /// Where it would load from.
        offset: u32,
    },
    /// A division by a constant zero.
    #[error("instruction {at}: divides by zero")]
    DividesByZero {
        /// Its index.
        at: usize,
    },
    /// A shift by 32 bits or more.
    #[error("instruction {at}: shifts by {by} bits")]
    BadShift {
        /// Its index.
        at: usize,
        /// By how much.
        by: u32,
    },
    /// A scratch word that does not exist, or that is read before it is written on some path.
    #[error("instruction {at}: uses scratch word {word}, which is not there or not written")]
    BadScratch {
        /// Its index.
        at: usize,
        /// Which word.
        word: u32,
    },
}

/// Checks a program as the kernel does before it takes it.
///
/// # Errors
///
/// The first thing that the kernel would refuse.
pub fn check(program: &Program) -> Result<(), BadProgram> {
    let code = program.instructions();
    for (at, instruction) in code.iter().enumerate() {
        check_instruction(at, instruction, code.len())?;
    }
    check_scratch(code)?;
    match code.last().map(|it| it.code) {
        Some(RET_K | RET_A) => Ok(()),
        _ => Err(BadProgram::NoReturn),
    }
}

/// What `program` returns for `call`. [`crate::Action::from_return_value`] says what that means.
///
/// # Errors
///
/// The kernel would not take the program.
pub fn interpret(program: &Program, call: &Call) -> Result<u32, BadProgram> {
    check(program)?;
    Ok(run(program, |offset| call.word(offset).unwrap_or(0)).0)
}

/// What `program` returns for `call`, and how many instructions that takes.
///
/// # Errors
///
/// The kernel would not take the program.
pub fn steps(program: &Program, call: &Call) -> Result<(u32, usize), BadProgram> {
    check(program)?;
    Ok(run(program, |offset| call.word(offset).unwrap_or(0)))
}

/// Runs a program that [`check`] has passed; `load` gives the words of `struct seccomp_data`.
pub(crate) fn run(program: &Program, mut load: impl FnMut(u32) -> u32) -> (u32, usize) {
    let code = program.instructions();
    let (mut a, mut x) = (0u32, 0u32);
    let mut scratch = [0u32; 16];
    let (mut at, mut executed) = (0, 0);
    loop {
        let Instruction { code: operation, jt, jf, k } = code[at];
        at += 1;
        executed += 1;
        let mut jump = |is_true: bool| at += usize::from(if is_true { jt } else { jf });
        let word = |index: u32| index as usize % 16;
        match operation {
            LD_ABS => a = load(k),
            LD_IMM => a = k,
            LD_LEN => a = SIZE,
            LD_MEM => a = scratch[word(k)],
            LDX_IMM => x = k,
            LDX_LEN => x = SIZE,
            LDX_MEM => x = scratch[word(k)],
            ST => scratch[word(k)] = a,
            STX => scratch[word(k)] = x,
            ADD_K => a = a.wrapping_add(k),
            ADD_X => a = a.wrapping_add(x),
            SUB_K => a = a.wrapping_sub(k),
            SUB_X => a = a.wrapping_sub(x),
            MUL_K => a = a.wrapping_mul(k),
            MUL_X => a = a.wrapping_mul(x),
            DIV_K => a = a.checked_div(k).unwrap_or(0),
            // A division by zero ends the program, which returns 0.
            DIV_X => match a.checked_div(x) {
                Some(quotient) => a = quotient,
                None => return (0, executed),
            },
            AND_K => a &= k,
            AND_X => a &= x,
            OR_K => a |= k,
            OR_X => a |= x,
            XOR_K => a ^= k,
            XOR_X => a ^= x,
            LSH_K => a = a.wrapping_shl(k),
            LSH_X => a = a.wrapping_shl(x),
            RSH_K => a = a.wrapping_shr(k),
            RSH_X => a = a.wrapping_shr(x),
            NEG => a = a.wrapping_neg(),
            JA => at += k as usize,
            JEQ_K => jump(a == k),
            JEQ_X => jump(a == x),
            JGT_K => jump(a > k),
            JGT_X => jump(a > x),
            JGE_K => jump(a >= k),
            JGE_X => jump(a >= x),
            JSET_K => jump(a & k != 0),
            JSET_X => jump(a & x != 0),
            RET_K => return (k, executed),
            RET_A => return (a, executed),
            TAX => x = a,
            TXA => a = x,
            _ => unreachable!("`check` has passed the program"),
        }
    }
}

fn check_instruction(
    at: usize,
    instruction: &Instruction,
    length: usize,
) -> Result<(), BadProgram> {
    let Instruction { code, jt, jf, k } = *instruction;
    let left = length - at - 1;
    match code {
        LD_ABS if k >= SIZE || k % 4 != 0 => Err(BadProgram::BadLoad { at, offset: k }),
        LD_MEM | LDX_MEM | ST | STX if k >= 16 => Err(BadProgram::BadScratch { at, word: k }),
        DIV_K if k == 0 => Err(BadProgram::DividesByZero { at }),
        LSH_K | RSH_K if k >= 32 => Err(BadProgram::BadShift { at, by: k }),
        JA if k as usize >= left => Err(BadProgram::JumpsOut { at }),
        JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X
            if usize::from(jt.max(jf)) >= left =>
        {
            Err(BadProgram::JumpsOut { at })
        }
        LD_ABS | LD_IMM | LD_LEN | LD_MEM | LDX_IMM | LDX_LEN | LDX_MEM | ST | STX | ADD_K
        | ADD_X | SUB_K | SUB_X | MUL_K | MUL_X | DIV_K | DIV_X | AND_K | AND_X | OR_K | OR_X
        | XOR_K | XOR_X | LSH_K | LSH_X | RSH_K | RSH_X | NEG | JA | JEQ_K | JEQ_X | JGT_K
        | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X | RET_K | RET_A | TAX | TXA => Ok(()),
        _ => Err(BadProgram::UnknownCode { at, code }),
    }
}

/// Every scratch word is written on every path before it is read.
fn check_scratch(code: &[Instruction]) -> Result<(), BadProgram> {
    let mut written = vec![u16::MAX; code.len()];
    let mut now = 0u16;
    for (at, instruction) in code.iter().enumerate() {
        let Instruction { code: operation, jt, jf, k } = *instruction;
        now &= written[at];
        let mut join = |distance: usize| written[at + 1 + distance] &= now;
        match operation {
            ST | STX => now |= 1 << k,
            LD_MEM | LDX_MEM if now >> k & 1 == 0 => {
                return Err(BadProgram::BadScratch { at, word: k });
            }
            JA => {
                join(k as usize);
                now = u16::MAX;
            }
            JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X => {
                join(usize::from(jt));
                join(usize::from(jf));
                now = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The operations, as `linux/bpf_common.h` composes them.
pub(crate) mod operation {
    pub(crate) const LD_ABS: u16 = 0x20;
    pub(crate) const LD_IMM: u16 = 0x00;
    pub(crate) const LD_LEN: u16 = 0x80;
    pub(crate) const LD_MEM: u16 = 0x60;
    pub(crate) const LDX_IMM: u16 = 0x01;
    pub(crate) const LDX_LEN: u16 = 0x81;
    pub(crate) const LDX_MEM: u16 = 0x61;
    pub(crate) const ST: u16 = 0x02;
    pub(crate) const STX: u16 = 0x03;
    pub(crate) const ADD_K: u16 = 0x04;
    pub(crate) const ADD_X: u16 = 0x0C;
    pub(crate) const SUB_K: u16 = 0x14;
    pub(crate) const SUB_X: u16 = 0x1C;
    pub(crate) const MUL_K: u16 = 0x24;
    pub(crate) const MUL_X: u16 = 0x2C;
    pub(crate) const DIV_K: u16 = 0x34;
    pub(crate) const DIV_X: u16 = 0x3C;
    pub(crate) const OR_K: u16 = 0x44;
    pub(crate) const OR_X: u16 = 0x4C;
    pub(crate) const AND_K: u16 = 0x54;
    pub(crate) const AND_X: u16 = 0x5C;
    pub(crate) const LSH_K: u16 = 0x64;
    pub(crate) const LSH_X: u16 = 0x6C;
    pub(crate) const RSH_K: u16 = 0x74;
    pub(crate) const RSH_X: u16 = 0x7C;
    pub(crate) const NEG: u16 = 0x84;
    pub(crate) const XOR_K: u16 = 0xA4;
    pub(crate) const XOR_X: u16 = 0xAC;
    pub(crate) const JA: u16 = 0x05;
    pub(crate) const JEQ_K: u16 = 0x15;
    pub(crate) const JEQ_X: u16 = 0x1D;
    pub(crate) const JGT_K: u16 = 0x25;
    pub(crate) const JGT_X: u16 = 0x2D;
    pub(crate) const JGE_K: u16 = 0x35;
    pub(crate) const JGE_X: u16 = 0x3D;
    pub(crate) const JSET_K: u16 = 0x45;
    pub(crate) const JSET_X: u16 = 0x4D;
    pub(crate) const RET_K: u16 = 0x06;
    pub(crate) const RET_A: u16 = 0x16;
    pub(crate) const TAX: u16 = 0x07;
    pub(crate) const TXA: u16 = 0x87;
}

use operation::*;

#[cfg(test)]
mod tests;
