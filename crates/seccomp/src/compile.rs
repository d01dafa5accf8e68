//! From [`Rules`] to a program.
//!
//! ```text
//! load architecture ─ one test each ─▶ load number ─ search ─▶ return, or the tests of the arguments
//! ```
//!
//! Numbers of equal treatment form ranges; `tree` finds the range of a number by balanced search.
//! What depends on arguments becomes a graph of tests (`decision`), shared by all calls and
//! architectures with the same rules. `emit` writes the program from its end to its beginning, so
//! that every jump target is known when the jump is written.
//!
//! Only loads, comparisons with constants, `and` and returns are used: these are what the kernel can
//! follow without running the filter, so that calls which are always allowed cost next to nothing
//! (Linux 5.11, `seccomp_is_const_allow`).

use stockade_abi::Architecture;
use stockade_abi::bpf::{MAX_INSTRUCTIONS, Program};
use stockade_abi::syscalls::{X32_BIT, open_range_end};
use thiserror::Error;

use crate::action::Action;
use crate::call::{ARCHITECTURE_OFFSET, NUMBER_OFFSET};
use crate::condition::Width;
use crate::interpret::operation::JEQ_K;
use crate::rules::{ArchitectureRules, Rule, Rules, SyscallRules};

mod decision;
mod emit;
mod tree;

use emit::{Emitter, Target};
use tree::Range;

/// Rules that no program can express.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CompileError {
    /// The kernel takes 4096 instructions.
    #[error(
        "the filter would have {instructions} instructions; the kernel takes {MAX_INSTRUCTIONS}"
    )]
    TooLong {
        /// How many there would be.
        instructions: usize,
    },
}

/// Compiles rules to a program that returns for every call what [`crate::evaluate`] says.
///
/// # Errors
///
/// The program would be longer than the kernel takes.
pub fn compile(rules: &Rules) -> Result<Program, CompileError> {
    let mut compiler = Compiler { rules, emitter: Emitter::new(), fragments: Vec::new() };
    let unlisted = Target::Return(rules.unlisted.return_value());

    // The last architecture first: the native one ends up next to the dispatch.
    let mut audit_numbers: Vec<u32> = Vec::new();
    for section in &rules.architectures {
        let number = section.architecture.audit_number();
        if !audit_numbers.contains(&number) {
            audit_numbers.push(number);
        }
    }
    let mut sections: Vec<(u32, Target)> = Vec::new();
    for &number in audit_numbers.iter().rev() {
        let target = compiler.section(number);
        sections.push((number, target));
    }

    let emitter = &mut compiler.emitter;
    let mut root = unlisted;
    for (number, target) in sections {
        root = emitter.jump(JEQ_K, number, target, root);
    }
    root = emitter.load(ARCHITECTURE_OFFSET, root);
    let instructions = compiler.emitter.finish(root);
    let length = instructions.len();
    Program::new(instructions).ok_or(CompileError::TooLong { instructions: length })
}

struct Compiler<'a> {
    rules: &'a Rules,
    emitter: Emitter,
    /// Tests of arguments that were emitted already, to be shared.
    fragments: Vec<(&'a [Rule], Width, Target)>,
}

impl<'a> Compiler<'a> {
    /// Emits what is done for one audit number, from the load of the number on.
    fn section(&mut self, audit_number: u32) -> Target {
        let section = |wanted| self.rules.architectures.iter().find(|it| it.architecture == wanted);
        let mut ranges = Vec::with_capacity(256);
        if audit_number == Architecture::X86_64.audit_number() {
            // Two architectures on one line of numbers. -1 is x86_64's: see `Call::architecture`.
            let (native, x32) = (section(Architecture::X86_64), section(Architecture::X32));
            self.ranges(native, 0, X32_BIT - 1, &mut ranges);
            self.ranges(x32, X32_BIT, u32::MAX - 1, &mut ranges);
            self.ranges(native, u32::MAX, u32::MAX, &mut ranges);
        } else {
            let wanted = self
                .rules
                .architectures
                .iter()
                .find(|it| it.architecture.audit_number() == audit_number);
            self.ranges(wanted, 0, u32::MAX, &mut ranges);
        }
        let tree = tree::emit(&mut self.emitter, &ranges);
        match tree {
            Target::Return(_) => tree,
            Target::At(_) => self.emitter.load(NUMBER_OFFSET, tree),
        }
    }

    /// Adds the treatment of the numbers from `from` to `to`, both included.
    fn ranges(
        &mut self,
        section: Option<&'a ArchitectureRules>,
        from: u32,
        to: u32,
        ranges: &mut Vec<Range>,
    ) {
        let Some(section) = section else {
            let unlisted = Target::Return(self.rules.unlisted.return_value());
            return tree::push(ranges, from, unlisted);
        };
        let mut next = Some(from);
        for (number, said) in &section.syscalls {
            if !(from..=to).contains(number) {
                continue;
            }
            let Some(start) = next else { break };
            if start < *number {
                self.gap(section, start, number - 1, ranges);
            }
            let target = match said {
                SyscallRules::Always(action) => Target::Return(action.return_value()),
                SyscallRules::First(list) => self.fragment(list, section.architecture),
            };
            tree::push(ranges, *number, target);
            next = number.checked_add(1);
        }
        if let Some(start) = next.filter(|it| *it <= to) {
            self.gap(section, start, to, ranges);
        }
    }

    /// Numbers that the profile says nothing about: known ones get the default, newer ones
    /// [`Rules::newer`], and those past the range that grows the default again.
    fn gap(&self, section: &ArchitectureRules, from: u32, to: u32, ranges: &mut Vec<Range>) {
        let default = Target::Return(self.rules.default.return_value());
        let newer = Target::Return(self.rules.newer.unwrap_or(self.rules.default).return_value());
        let Some(first_newer) = section.newest.checked_add(1) else {
            return tree::push(ranges, from, default);
        };
        if from < first_newer {
            tree::push(ranges, from, default);
        }
        let end = open_range_end(section.architecture);
        let start = from.max(first_newer);
        if start <= to && end.is_none_or(|end| start < end) {
            tree::push(ranges, start, newer);
        }
        if let Some(end) = end.filter(|end| *end <= to) {
            tree::push(ranges, from.max(end), default);
        }
    }

    fn fragment(&mut self, list: &'a [Rule], architecture: Architecture) -> Target {
        let width = Width::of(architecture);
        let known = self.fragments.iter().find(|(other, of, _)| *other == list && *of == width);
        if let Some((_, _, target)) = known {
            return *target;
        }
        let default: Action = self.rules.default;
        let target =
            decision::emit(&mut self.emitter, list, default, width, architecture.audit_number());
        self.fragments.push((list, width, target));
        target
    }
}
