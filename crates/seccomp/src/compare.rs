//! Do two filters say the same, and if not, about which call?
//!
//! A filter is a function of a call. Two are compared on every architecture, every system call
//! number and, for the words of the arguments that either reads on its way, on every constant of
//! either and its neighbours: a filter that compares with constants can change its answer nowhere
//! else. Words that neither reads are not varied.
//!
//! Used to judge a filter that was read back from the kernel against the one that was meant.

use std::collections::BTreeSet;

use stockade_abi::bpf::Program;
use stockade_abi::{Architecture, syscalls};

use crate::action::Action;
use crate::call::{Call, Half, argument_offset};
use crate::condition::{Operator, Width};
use crate::evaluate::evaluate;
use crate::interpret::{BadProgram, check, run};
use crate::rules::{Rules, SyscallRules};

mod constants;

use constants::{Completeness, Constants, WORDS};

/// How one filter stands to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// They say the same about every call that was tried.
    Equal,
    /// They differ on this call. If there is a call on which theirs is weaker, it is such a one.
    Different(Witness),
    /// Too many combinations of arguments; no difference was found in these many calls.
    Undecided {
        /// How many calls were tried.
        calls: u64,
    },
}

/// A call on which two filters differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Witness {
    /// The call.
    pub call: Call,
    /// What ours says.
    pub ours: Action,
    /// What theirs says.
    pub theirs: Action,
}

/// How their answer stands to ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Theirs lets more happen.
    Weaker,
    /// Equally permissive, another number.
    Other,
    /// Theirs lets less happen.
    Tighter,
}

impl Witness {
    /// How their answer stands to ours.
    pub fn verdict(&self) -> Verdict {
        match self.theirs.permissiveness().cmp(&self.ours.permissiveness()) {
            std::cmp::Ordering::Greater => Verdict::Weaker,
            std::cmp::Ordering::Equal => Verdict::Other,
            std::cmp::Ordering::Less => Verdict::Tighter,
        }
    }
}

/// Compares two programs.
///
/// # Errors
///
/// One of them is not a program that the kernel takes.
pub fn compare(ours: &Program, theirs: &Program) -> Result<Comparison, BadProgram> {
    check(ours)?;
    check(theirs)?;
    Ok(search(&Filter::Program(ours), &Filter::Program(theirs)))
}

/// Compares rules with a program.
///
/// # Errors
///
/// `theirs` is not a program that the kernel takes.
pub fn compare_with_rules(ours: &Rules, theirs: &Program) -> Result<Comparison, BadProgram> {
    check(theirs)?;
    Ok(search(&Filter::Rules(ours), &Filter::Program(theirs)))
}

/// One side of the comparison. Programs have been checked.
enum Filter<'a> {
    Program(&'a Program),
    Rules(&'a Rules),
}

impl Filter<'_> {
    /// What the filter says, and which words it reads, one bit each.
    fn answer(&self, call: &Call, work: &mut u64) -> (Action, u16) {
        match self {
            Self::Program(program) => {
                let mut read = 0;
                let (value, executed) = run(program, |offset| {
                    read |= 1 << (offset / 4);
                    call.word(offset).unwrap_or(0)
                });
                *work += executed as u64;
                (Action::from_return_value(value), read)
            }
            Self::Rules(rules) => {
                *work += rules.architectures.iter().map(|it| it.syscalls.len() as u64).sum::<u64>();
                (evaluate(rules, call), words_of(rules, call))
            }
        }
    }

    fn constants(&self) -> Constants {
        match self {
            Self::Program(program) => Constants::of_program(program),
            Self::Rules(rules) => constants_of(rules),
        }
    }
}

/// The words of the arguments that the rules for the call look at.
fn words_of(rules: &Rules, call: &Call) -> u16 {
    let Some(architecture) = call.architecture() else { return 0 };
    let section = rules.architectures.iter().find(|it| it.architecture == architecture);
    let said = section.and_then(|it| it.syscalls.iter().find(|(number, _)| *number == call.number));
    let Some((_, SyscallRules::First(list))) = said else { return 0 };
    list.iter().flat_map(|it| &it.conditions).fold(0, |all, condition| {
        let word = |half| argument_offset(call.audit_architecture, condition.argument, half) / 4;
        all | 1 << word(Half::Low) | 1 << word(Half::High)
    })
}

fn constants_of(rules: &Rules) -> Constants {
    let mut all = Constants::default();
    for section in &rules.architectures {
        let audit_number = section.architecture.audit_number();
        all.value(1, audit_number);
        all.value(0, section.newest);
        for (number, said) in &section.syscalls {
            all.value(0, *number);
            let SyscallRules::First(list) = said else { continue };
            for condition in list.iter().flat_map(|it| &it.conditions) {
                let operator = condition.operator.on(Width::of(section.architecture));
                for half in [Half::Low, Half::High] {
                    let word =
                        (argument_offset(audit_number, condition.argument, half) / 4) as usize;
                    let shift = if half == Half::High { 32 } else { 0 };
                    match operator {
                        Operator::MaskedEqual { mask, value } => {
                            all.mask(word, (mask >> shift) as u32);
                            all.value(word, (value >> shift) as u32);
                        }
                        Operator::NotEqual(value)
                        | Operator::Less(value)
                        | Operator::LessOrEqual(value)
                        | Operator::Equal(value)
                        | Operator::GreaterOrEqual(value)
                        | Operator::Greater(value) => all.value(word, (value >> shift) as u32),
                    }
                }
            }
        }
    }
    all
}

fn search(ours: &Filter<'_>, theirs: &Filter<'_>) -> Comparison {
    let mut constants = ours.constants();
    constants.join(theirs.constants());
    for architecture in Architecture::ALL {
        constants.value(1, architecture.audit_number());
    }
    let (words, completeness) = constants.candidates();
    let mut search = Search { ours, theirs, words, found: None, calls: 0, work: 0 };

    let mut numbers: BTreeSet<u32> = search.words[0].iter().copied().collect();
    for base in [0, syscalls::X32_BIT, 0x000F_0000] {
        numbers.extend(base..base + 1024);
        numbers.extend([base.wrapping_sub(1), base + 1024]);
    }
    for audit_architecture in search.words[1].clone() {
        for &number in &numbers {
            let call = Call { audit_architecture, number, ..Call::default() };
            search.vary(&call, 0b11);
            if search.is_done() {
                break;
            }
        }
    }
    match search.found {
        Some(witness) => Comparison::Different(witness),
        None if search.is_cut() || completeness == Completeness::Some => {
            Comparison::Undecided { calls: search.calls }
        }
        None => Comparison::Equal,
    }
}

struct Search<'a> {
    ours: &'a Filter<'a>,
    theirs: &'a Filter<'a>,
    /// The values to try, per word.
    words: [Vec<u32>; WORDS],
    found: Option<Witness>,
    calls: u64,
    /// Instructions executed and rules looked at, and what it takes to make a call up.
    work: u64,
}

impl Search<'_> {
    /// Tries `call` with every value of every word that is read and not yet `settled`.
    fn vary(&mut self, call: &Call, settled: u16) {
        if self.is_done() {
            return;
        }
        self.calls += 1;
        self.work += CALL_WORK;
        let (ours, read) = self.ours.answer(call, &mut self.work);
        let (theirs, also_read) = self.theirs.answer(call, &mut self.work);
        let open = (read | also_read) & !settled;
        if open != 0 {
            let word = open.trailing_zeros() as usize;
            for index in 0..self.words[word].len() {
                let value = self.words[word][index];
                self.vary(&with_word(call, word, value), settled | 1 << word);
            }
            return;
        }
        if ours != theirs {
            let witness = Witness { call: *call, ours, theirs };
            if self.found.is_none() || witness.verdict() == Verdict::Weaker {
                self.found = Some(witness);
            }
        }
    }

    fn is_cut(&self) -> bool {
        self.work >= MAX_WORK
    }

    fn is_done(&self) -> bool {
        self.is_cut() || self.found.as_ref().is_some_and(|it| it.verdict() == Verdict::Weaker)
    }
}

/// The call with one word of `struct seccomp_data` (from the instruction pointer on) replaced.
fn with_word(call: &Call, word: usize, value: u32) -> Call {
    let mut call = *call;
    let is_high = (word as u32 * 4) == argument_offset(call.audit_architecture, 0, Half::High)
        || word % 2 == (argument_offset(call.audit_architecture, 0, Half::High) / 4 % 2) as usize;
    let target = match word {
        2 | 3 => &mut call.instruction_pointer,
        _ => &mut call.arguments[(word - 4) / 2],
    };
    let value = u64::from(value);
    *target =
        if is_high { *target & 0xFFFF_FFFF | value << 32 } else { *target & !0xFFFF_FFFF | value };
    call
}

/// What a call costs beside the answers to it, in instructions.
const CALL_WORK: u64 = 100;

/// About a second's.
const MAX_WORK: u64 = 300_000_000;

#[cfg(test)]
mod tests;
