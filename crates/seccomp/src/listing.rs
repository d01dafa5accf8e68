//! A program in words: one line for each instruction, with what its numbers mean.
//!
//! What is in the accumulator, and for which architecture, is followed along every jump, so that a
//! number that is compared gets the name of the call it is on that architecture. Takes programs of
//! any origin.

use std::fmt::Write as _;

use stockade_abi::Architecture;
use stockade_abi::bpf::{Instruction, Program};
use stockade_abi::syscalls::{self, X32_BIT};

use crate::action::Action;
use crate::call::{ARCHITECTURE_OFFSET, Half, NUMBER_OFFSET, argument_offset};
use crate::interpret::operation::*;
use crate::interpret::{BadProgram, check};

/// Writes a program for people. Jumps name the instruction that they lead to, the one for "yes"
/// first.
///
/// # Errors
///
/// The kernel would not take the program.
pub fn listing(program: &Program) -> Result<String, BadProgram> {
    check(program)?;
    let code = program.instructions();
    let states = follow(code);
    let digits = code.len().saturating_sub(1).to_string().len();
    let mut out = String::new();
    for (at, (instruction, state)) in code.iter().zip(&states).enumerate() {
        let words = words(at, instruction, state.as_ref());
        let comment = comment(instruction, state.as_ref());
        let line = match comment.as_str() {
            "" => format!("{at:>digits$}  {words}"),
            _ => format!("{at:>digits$}  {words:<24} ; {comment}"),
        };
        writeln!(out, "{line}").expect("a String takes everything");
    }
    Ok(out)
}

/// What is known before an instruction. `None` for one that is never reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct State {
    held: Held,
    /// The audit number of the caller, if it is the same on every way here.
    caller: Option<u32>,
    /// Of an architecture of that byte order, if that is the same on every way here.
    order: Option<Order>,
}

/// What the accumulator holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Held {
    Word(u32),
    Masked(u32),
    Other,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Little,
    Big,
}

/// Jumps lead forward only, so one pass sees every way to an instruction before the instruction.
fn follow(code: &[Instruction]) -> Vec<Option<State>> {
    let mut states: Vec<Option<State>> = vec![None; code.len()];
    states[0] = Some(State { held: Held::Other, caller: None, order: None });
    for (at, &Instruction { code: operation, jt, jf, k }) in code.iter().enumerate() {
        let Some(state) = states[at] else { continue };
        let mut join = |distance: usize, state: State| {
            let target = &mut states[at + 1 + distance];
            *target = Some(target.map_or(state, |known| meet(known, state)));
        };
        match operation {
            RET_K | RET_A => {}
            JA => join(k as usize, state),
            JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X => {
                let is_caller = operation == JEQ_K && state.held == Held::Word(ARCHITECTURE_OFFSET);
                let yes = if is_caller { called_by(state, k) } else { state };
                join(usize::from(jt), yes);
                join(usize::from(jf), state);
            }
            LD_ABS => join(0, State { held: Held::Word(k), ..state }),
            AND_K => {
                let held = match state.held {
                    Held::Word(offset) | Held::Masked(offset) => Held::Masked(offset),
                    Held::Other => Held::Other,
                };
                join(0, State { held, ..state });
            }
            ST | STX | TAX | LDX_IMM | LDX_LEN | LDX_MEM => join(0, state),
            _ => join(0, State { held: Held::Other, ..state }),
        }
    }
    states
}

fn called_by(state: State, audit_number: u32) -> State {
    let is_little =
        argument_offset(audit_number, 0, Half::Low) == argument_offset(0, 0, Half::High);
    let order = if is_little { Order::Little } else { Order::Big };
    State { caller: Some(audit_number), order: Some(order), ..state }
}

fn meet(one: State, other: State) -> State {
    State {
        held: if one.held == other.held { one.held } else { Held::Other },
        caller: one.caller.filter(|_| one.caller == other.caller),
        order: one.order.filter(|_| one.order == other.order),
    }
}

fn words(at: usize, instruction: &Instruction, state: Option<&State>) -> String {
    let Instruction { code, jt, jf, k } = *instruction;
    let is_number = state.is_some_and(|it| it.held == Held::Word(NUMBER_OFFSET));
    let constant = if is_number && k < X32_BIT { format!("#{k}") } else { format!("#{k:#x}") };
    let branch = |name: &str, operand: &str| {
        let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
        format!("{name} {operand}, {yes}, {no}")
    };
    match code {
        LD_ABS => format!("ld [{k}]"),
        LD_MEM => format!("ld M[{k}]"),
        LDX_MEM => format!("ldx M[{k}]"),
        ST => format!("st M[{k}]"),
        STX => format!("stx M[{k}]"),
        LD_LEN => "ld len".to_owned(),
        LDX_LEN => "ldx len".to_owned(),
        NEG => "neg".to_owned(),
        TAX => "tax".to_owned(),
        TXA => "txa".to_owned(),
        RET_A => "ret a".to_owned(),
        RET_K => format!("ret #{k:#010x}"),
        JA => format!("ja {}", at + 1 + k as usize),
        JEQ_K => branch("jeq", &constant),
        JGT_K => branch("jgt", &constant),
        JGE_K => branch("jge", &constant),
        JSET_K => branch("jset", &constant),
        JEQ_X => branch("jeq", "x"),
        JGT_X => branch("jgt", "x"),
        JGE_X => branch("jge", "x"),
        JSET_X => branch("jset", "x"),
        _ => {
            let found =
                ARITHMETIC.iter().find(|(with_k, with_x, _)| [*with_k, *with_x].contains(&code));
            match found {
                Some((with_k, _, name)) if *with_k == code => format!("{name} #{k:#x}"),
                Some((_, _, name)) => format!("{name} x"),
                None => unreachable!("`check` has passed the program"),
            }
        }
    }
}

fn comment(instruction: &Instruction, state: Option<&State>) -> String {
    let Some(state) = state else { return "never reached".to_owned() };
    let Instruction { code, k, .. } = *instruction;
    match code {
        LD_ABS => word(k, state.order),
        RET_K => Action::from_return_value(k).to_string(),
        JEQ_K | JGT_K | JGE_K => match state.held {
            Held::Word(ARCHITECTURE_OFFSET) => architecture(k),
            Held::Word(NUMBER_OFFSET) => match number(k, state.caller) {
                Some(name) if code == JEQ_K => name,
                Some(name) if code == JGE_K => format!("from {name} on"),
                Some(name) => format!("after {name}"),
                None => String::new(),
            },
            Held::Word(offset) => word(offset, state.order),
            Held::Masked(offset) => format!("masked {}", word(offset, state.order)),
            Held::Other => String::new(),
        },
        _ => String::new(),
    }
}

fn architecture(audit_number: u32) -> String {
    let found = Architecture::ALL.into_iter().find(|it| it.audit_number() == audit_number);
    found.map_or_else(|| "an unknown architecture".to_owned(), |it| it.to_string())
}

fn number(number: u32, caller: Option<u32>) -> Option<String> {
    let callers = Architecture::ALL.into_iter().filter(|it| Some(it.audit_number()) == caller);
    let name = callers.filter_map(|it| syscalls::name(it, number)).next()?;
    let is_x86_64 = caller == Some(Architecture::X86_64.audit_number());
    let gap = if is_x86_64 && number >= X32_BIT { " of x32" } else { "" };
    Some(format!("{name}{gap}"))
}

/// What stands at an offset of `struct seccomp_data`.
fn word(offset: u32, order: Option<Order>) -> String {
    let second = offset % 8 == 4;
    let half = match (order, second) {
        (Some(Order::Little), false) | (Some(Order::Big), true) => "low half",
        (Some(Order::Little), true) | (Some(Order::Big), false) => "high half",
        (None, false) => "first half",
        (None, true) => "second half",
    };
    match offset {
        NUMBER_OFFSET => "number".to_owned(),
        ARCHITECTURE_OFFSET => "architecture".to_owned(),
        8 | 12 => format!("instruction pointer, {half}"),
        _ => format!("arg{}, {half}", (offset - 16) / 8),
    }
}

/// With a constant, with the index register, and the name.
const ARITHMETIC: &[(u16, u16, &str)] = &[
    (LD_IMM, LD_IMM, "ld"),
    (LDX_IMM, LDX_IMM, "ldx"),
    (ADD_K, ADD_X, "add"),
    (SUB_K, SUB_X, "sub"),
    (MUL_K, MUL_X, "mul"),
    (DIV_K, DIV_X, "div"),
    (AND_K, AND_X, "and"),
    (OR_K, OR_X, "or"),
    (XOR_K, XOR_X, "xor"),
    (LSH_K, LSH_X, "lsh"),
    (RSH_K, RSH_X, "rsh"),
];

#[cfg(test)]
mod tests;
