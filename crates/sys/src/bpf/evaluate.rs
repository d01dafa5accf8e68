//! What a device program answers, without asking the kernel.
//!
//! Device programs are small: they read the request, compare, and exit. This evaluator knows the
//! instructions for that, and whatever else it meets (maps, helper calls, the stack) makes it say
//! so: there is no verdict about a program that was not understood.

use std::fmt;

use stockade_abi::facts::{Device, DeviceAccess, DeviceKind, DeviceVerdict};
use thiserror::Error;

use super::instruction::{
    ADD, ALU32, ALU64, AND, ARSH, CALL, CLASS, EXIT, Instruction, JA, JEQ, JGE, JGT, JLE, JLT, JMP,
    JMP32, JNE, JSET, JSGE, JSGT, JSLE, JSLT, KIND_BLOCK, KIND_CHARACTER, LD_IMM64, LDX_B, LDX_H,
    LDX_W, LSH, MOV, NEG, OR, RSH, SUB, X, XOR,
};

/// A program that cannot be judged, and where.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("cannot judge the device program: instruction {at} {obstacle}")]
pub struct CannotJudge {
    /// The number of the instruction, from 0.
    pub at: usize,
    /// What is the matter with it.
    pub obstacle: Obstacle,
}

/// Why an instruction cannot be followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// It is none of those that are known here.
    Unknown,
    /// It reads a register that was not set, or computes with an address.
    NoNumber,
    /// It reads outside the request.
    OutsideRequest,
    /// It is not there: the program is left other than by an exit.
    Missing,
    /// It is reached after more steps than any program has that has no loops.
    Loops,
    /// It leaves with something other than yes or no.
    NeitherYesNorNo,
}

/// Answers whether `program` allows `access` to `device`.
///
/// All programs of a cgroup and of its ancestors are asked; a request needs a yes from each.
///
/// # Errors
///
/// [`CannotJudge`] if the program does something that is not understood, on the way that this
/// request takes through it. This is never agreement.
pub fn evaluate(
    program: &[u64],
    device: Device,
    access: DeviceAccess,
) -> Result<DeviceVerdict, CannotJudge> {
    let mut machine = Machine::new(device, access);
    let mut at = 0;
    for _ in 0..MOST_STEPS {
        let stuck = |obstacle| CannotJudge { at, obstacle };
        let instruction = program.get(at).copied().ok_or(stuck(Obstacle::Missing))?;
        let second = program.get(at + 1).copied();
        match machine.step(Instruction::decode(instruction), second).map_err(stuck)? {
            Next::Skip(offset) => {
                at = at.checked_add_signed(offset + 1).ok_or(stuck(Obstacle::Missing))?;
            }
            Next::Exit(1) => return Ok(DeviceVerdict::Allow),
            Next::Exit(0) => return Ok(DeviceVerdict::Deny),
            Next::Exit(_) => return Err(stuck(Obstacle::NeitherYesNorNo)),
        }
    }
    Err(CannotJudge { at, obstacle: Obstacle::Loops })
}

/// What comes after an instruction.
enum Next {
    /// The instruction after so many others; negative is back.
    Skip(isize),
    Exit(u64),
}

/// What a register holds.
#[derive(Clone, Copy, Debug)]
enum Value {
    Unset,
    Number(u64),
    /// The address of the request, plus so many bytes.
    Request(i64),
}

struct Machine {
    registers: [Value; 11],
    /// `struct bpf_cgroup_dev_ctx`.
    request: [u8; 12],
}

impl Machine {
    fn new(device: Device, access: DeviceAccess) -> Self {
        let kind = match device.kind {
            DeviceKind::Block => KIND_BLOCK,
            DeviceKind::Character => KIND_CHARACTER,
        };
        let access_type = u32::from(access.bits()) << 16 | kind.cast_unsigned();
        let mut request = [0; 12];
        for (bytes, word) in
            request.chunks_exact_mut(4).zip([access_type, device.major, device.minor])
        {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut registers = [Value::Unset; 11];
        registers[1] = Value::Request(0);
        Self { registers, request }
    }

    fn step(&mut self, it: Instruction, second: Option<u64>) -> Result<Next, Obstacle> {
        match it.code {
            LDX_W | LDX_H | LDX_B => self.load(it)?,
            LD_IMM64 if it.src == 0 && it.off == 0 => {
                let high = Instruction::decode(second.ok_or(Obstacle::Missing)?);
                let value =
                    u64::from(it.imm.cast_unsigned()) | u64::from(high.imm.cast_unsigned()) << 32;
                self.set(it.dst, Value::Number(value))?;
                return Ok(Next::Skip(1));
            }
            code => match code & CLASS {
                ALU32 | ALU64 => self.arithmetic(it)?,
                JMP | JMP32 => return self.jump(it),
                _ => return Err(Obstacle::Unknown),
            },
        }
        Ok(Next::Skip(0))
    }

    fn load(&mut self, it: Instruction) -> Result<(), Obstacle> {
        let size = match it.code {
            LDX_W => 4,
            LDX_H => 2,
            _ => 1,
        };
        let Value::Request(base) = self.read(it.src)? else { return Err(Obstacle::OutsideRequest) };
        let start = usize::try_from(base + i64::from(it.off)).ok();
        let bytes = start
            .and_then(|start| self.request.get(start..start.checked_add(size)?))
            .ok_or(Obstacle::OutsideRequest)?;
        let number = bytes.iter().rev().fold(0, |so_far, byte| so_far << 8 | u64::from(*byte));
        self.set(it.dst, Value::Number(number))
    }

    fn arithmetic(&mut self, it: Instruction) -> Result<(), Obstacle> {
        // Signed divisions and sign-extending moves.
        if it.off != 0 {
            return Err(Obstacle::Unknown);
        }
        let operation = it.code & 0xf0;
        let wide = it.code & CLASS == ALU64;
        if wide && operation == MOV && it.code & X != 0 {
            // The only thing that can be done with an address.
            let value = self.read(it.src)?;
            return self.set(it.dst, value);
        }

        let right = self.operand(it)?;
        let left = if operation == MOV { 0 } else { self.number(it.dst)? };
        let result = match (operation, wide) {
            (MOV, _) => right,
            (ADD, _) => left.wrapping_add(right),
            (SUB, _) => left.wrapping_sub(right),
            (OR, _) => left | right,
            (AND, _) => left & right,
            (XOR, _) => left ^ right,
            (NEG, _) if it.code & X == 0 => left.wrapping_neg(),
            (LSH, true) => left << (right & 63),
            (LSH, false) => u64::from(low(left) << (right & 31)),
            (RSH, true) => left >> (right & 63),
            (RSH, false) => u64::from(low(left) >> (right & 31)),
            (ARSH, true) => (left.cast_signed() >> (right & 63)).cast_unsigned(),
            (ARSH, false) => (low(left).cast_signed() >> (right & 31)).cast_unsigned().into(),
            _ => return Err(Obstacle::Unknown),
        };
        let result = if wide { result } else { low(result).into() };
        self.set(it.dst, Value::Number(result))
    }

    fn jump(&mut self, it: Instruction) -> Result<Next, Obstacle> {
        let wide = it.code & CLASS == JMP;
        let taken = Next::Skip(it.off.into());
        match it.code & 0xf0 {
            JA if it.code == JMP | JA => return Ok(taken),
            EXIT if it.code == JMP | EXIT => return self.number(0).map(Next::Exit),
            CALL => return Err(Obstacle::Unknown),
            _ => {}
        }
        let (left, right) = (self.number(it.dst)?, self.operand(it)?);
        let (left, right) =
            if wide { (left, right) } else { (low(left).into(), low(right).into()) };
        let signed = |it: u64| {
            if wide { it.cast_signed() } else { low(it).cast_signed().into() }
        };
        let is_taken = match it.code & 0xf0 {
            JEQ => left == right,
            JNE => left != right,
            JGT => left > right,
            JGE => left >= right,
            JLT => left < right,
            JLE => left <= right,
            JSET => left & right != 0,
            JSGT => signed(left) > signed(right),
            JSGE => signed(left) >= signed(right),
            JSLT => signed(left) < signed(right),
            JSLE => signed(left) <= signed(right),
            _ => return Err(Obstacle::Unknown),
        };
        Ok(if is_taken { taken } else { Next::Skip(0) })
    }

    /// The right side: a register, or the constant with its sign extended.
    fn operand(&self, it: Instruction) -> Result<u64, Obstacle> {
        if it.code & X != 0 { self.number(it.src) } else { Ok(i64::from(it.imm).cast_unsigned()) }
    }

    fn number(&self, register: u8) -> Result<u64, Obstacle> {
        match self.read(register)? {
            Value::Number(number) => Ok(number),
            Value::Unset | Value::Request(_) => Err(Obstacle::NoNumber),
        }
    }

    fn read(&self, register: u8) -> Result<Value, Obstacle> {
        self.registers.get(usize::from(register)).copied().ok_or(Obstacle::Unknown)
    }

    fn set(&mut self, register: u8, value: Value) -> Result<(), Obstacle> {
        *self.registers.get_mut(usize::from(register)).ok_or(Obstacle::Unknown)? = value;
        Ok(())
    }
}

fn low(number: u64) -> u32 {
    number as u32
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "is not one of those that are understood",
            Self::NoNumber => "computes with something that is not a number",
            Self::OutsideRequest => "reads memory outside the request",
            Self::Missing => "does not exist",
            Self::Loops => "is in a loop",
            Self::NeitherYesNorNo => "answers neither yes nor no",
        })
    }
}

/// As many instructions as the kernel takes in a program.
const MOST_STEPS: usize = 1_000_000;

#[cfg(test)]
mod tests;
