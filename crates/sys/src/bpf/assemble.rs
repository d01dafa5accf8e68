//! From device rules to a program.
//!
//! The program does what [`DeviceRule::evaluate`] does, rule by rule: it collects in one register
//! what is allowed so far, and in the end compares that with what is asked for.
//!
//! | register | holds |
//! |---|---|
//! | r1 | the context that the kernel passes |
//! | r2 | the device's kind |
//! | r3 | what is asked for |
//! | r4, r5 | major and minor |
//! | r0 | what is allowed so far; then the verdict |

use stockade_abi::facts::{DeviceKind, DeviceRule, DeviceVerdict};

use super::instruction::{
    ALU32, AND, CTX_ACCESS_TYPE, CTX_MAJOR, CTX_MINOR, EXIT, Instruction, JEQ, JMP, JMP32, JNE,
    KIND_BLOCK, KIND_CHARACTER, LDX_W, MOV, OR, RSH, X,
};

/// A program for [`super::attach`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceProgram(Vec<u64>);

impl DeviceProgram {
    /// Writes the program that allows a request if and only if all of it is in what the rules allow
    /// for its device. No rules allow nothing.
    pub fn assemble(rules: &[DeviceRule]) -> Self {
        let mut code = vec![
            load(3, CTX_ACCESS_TYPE),
            move_register(2, 3),
            constant(AND, 2, 0xffff),
            constant(RSH, 3, 16),
            load(4, CTX_MAJOR),
            load(5, CTX_MINOR),
            constant(MOV, 0, 0),
        ];
        code.extend(rules.iter().flat_map(rule));
        code.extend([
            register(AND, 0, 3),
            jump_if_same(0, 3, 2),
            constant(MOV, 0, 0),
            exit(),
            constant(MOV, 0, 1),
            exit(),
        ]);
        Self(code.into_iter().map(Instruction::encode).collect())
    }

    /// The instructions, first to last, as [`super::evaluate`] reads them.
    pub fn instructions(&self) -> &[u64] {
        &self.0
    }
}

/// The comparisons of a rule, each of which skips the rest, and what it does to r0.
fn rule(rule: &DeviceRule) -> Vec<Instruction> {
    let kind = rule.kind.map(|kind| match kind {
        DeviceKind::Block => KIND_BLOCK,
        DeviceKind::Character => KIND_CHARACTER,
    });
    let comparisons =
        [(2, kind), (4, rule.major.map(u32::cast_signed)), (5, rule.minor.map(u32::cast_signed))];
    let comparisons: Vec<(u8, i32)> =
        comparisons.into_iter().filter_map(|(register, value)| Some((register, value?))).collect();

    let bits = i32::from(rule.access.bits());
    let effect = match rule.verdict {
        DeviceVerdict::Allow => constant(OR, 0, bits),
        DeviceVerdict::Deny => constant(AND, 0, !bits),
    };
    let to_skip = (1..=3).take(comparisons.len()).rev();
    let comparisons = comparisons.iter().zip(to_skip);
    comparisons
        .map(|(&(register, value), skip)| jump_if_other(register, value, skip))
        .chain([effect])
        .collect()
}

const fn load(dst: u8, from: i16) -> Instruction {
    Instruction { code: LDX_W, dst, src: 1, off: from, imm: 0 }
}

const fn constant(operation: u8, dst: u8, imm: i32) -> Instruction {
    Instruction { code: ALU32 | operation, dst, src: 0, off: 0, imm }
}

const fn register(operation: u8, dst: u8, src: u8) -> Instruction {
    Instruction { code: ALU32 | X | operation, dst, src, off: 0, imm: 0 }
}

const fn move_register(dst: u8, src: u8) -> Instruction {
    register(MOV, dst, src)
}

/// 32 bits wide, because the constant of a 64-bit jump has its sign extended and device numbers
/// have none.
const fn jump_if_other(dst: u8, imm: i32, skip: i16) -> Instruction {
    Instruction { code: JMP32 | JNE, dst, src: 0, off: skip, imm }
}

const fn jump_if_same(dst: u8, src: u8, skip: i16) -> Instruction {
    Instruction { code: JMP32 | X | JEQ, dst, src, off: skip, imm: 0 }
}

const fn exit() -> Instruction {
    Instruction { code: JMP | EXIT, dst: 0, src: 0, off: 0, imm: 0 }
}
