//! The values at which a filter can change its answer, per word of `struct seccomp_data`.

use std::collections::BTreeSet;

use stockade_abi::bpf::{Instruction, Program};

use crate::interpret::operation::*;

/// How many words `struct seccomp_data` has.
pub(super) const WORDS: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    values: [BTreeSet<u32>; WORDS],
    masks: [BTreeSet<u32>; WORDS],
}

impl Constants {
    pub(super) fn value(&mut self, word: usize, value: u32) {
        self.values[word].insert(value);
    }

    pub(super) fn mask(&mut self, word: usize, mask: u32) {
        self.masks[word].insert(mask);
    }

    pub(super) fn join(&mut self, other: Self) {
        for (mine, theirs) in self.values.iter_mut().zip(other.values) {
            mine.extend(theirs);
        }
        for (mine, theirs) in self.masks.iter_mut().zip(other.masks) {
            mine.extend(theirs);
        }
    }

    /// Every constant and its neighbours; for a mask its bits one by one, and every constant with
    /// what lies outside the mask. The second is whether these are all: a program made for it has
    /// thousands of masks and constants, and their combinations would fill the memory.
    pub(super) fn candidates(&self) -> ([Vec<u32>; WORDS], Completeness) {
        let mut completeness = Completeness::All;
        let candidates = std::array::from_fn(|word| {
            let mut all = BTreeSet::from([0, 1, u32::MAX, 1 << 31]);
            for &value in &self.values[word] {
                all.extend([value.wrapping_sub(1), value, value.wrapping_add(1)]);
            }
            for &mask in &self.masks[word] {
                all.extend([mask, !mask]);
                all.extend((0..32).map(|bit| mask & 1 << bit));
                if all.len() > MAX_CANDIDATES {
                    completeness = Completeness::Some;
                    break;
                }
                for &value in &self.values[word] {
                    all.extend([value & mask, value | !mask]);
                }
            }
            all.into_iter().collect()
        });
        (candidates, completeness)
    }

    /// Follows which words the accumulator and the index register may come from. The program has
    /// been checked.
    pub(super) fn of_program(program: &Program) -> Self {
        let code = program.instructions();
        let mut all = Self::default();
        let mut states = vec![Origin::default(); code.len()];
        let mut scratch = 0u16;
        let immediates: Vec<u32> =
            code.iter().filter(|it| matches!(it.code, LD_IMM | LDX_IMM)).map(|it| it.k).collect();

        for (at, instruction) in code.iter().enumerate() {
            let Instruction { code: operation, jt, jf, k } = *instruction;
            let mut now = states[at];
            match operation {
                LD_ABS => now.a = 1 << (k / 4),
                LD_IMM | LD_LEN => now.a = 0,
                LD_MEM => now.a = scratch,
                LDX_IMM | LDX_LEN => now.x = 0,
                LDX_MEM => now.x = scratch,
                ST => scratch |= now.a,
                STX => scratch |= now.x,
                TAX => now.x = now.a,
                TXA => now.a = now.x,
                AND_K | JSET_K => all.note(now.a, |it, word| it.mask(word, k)),
                JEQ_K | JGT_K | JGE_K => all.note(now.a, |it, word| it.value(word, k)),
                JEQ_X | JGT_X | JGE_X | JSET_X => {
                    for &k in &immediates {
                        all.note(now.a | now.x, |it, word| it.value(word, k));
                    }
                }
                RET_K | RET_A | JA | NEG => {}
                // The rest computes, with `k` or with the index register.
                _ if operation & 0x08 != 0 => now.a |= now.x,
                _ => all.note(now.a, |it, word| {
                    it.value(word, k);
                    it.mask(word, k);
                }),
            }
            let mut flow = |distance: usize| states[at + 1 + distance].join(now);
            match operation {
                RET_K | RET_A => {}
                JA => flow(k as usize),
                JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X => {
                    flow(usize::from(jt));
                    flow(usize::from(jf));
                }
                _ => flow(0),
            }
        }
        all
    }

    fn note(&mut self, words: u16, note: impl Fn(&mut Self, usize)) {
        (0..WORDS).filter(|word| words >> word & 1 == 1).for_each(|word| note(self, word));
    }
}

/// Whether every value at which a filter could change its answer is among the candidates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Completeness {
    All,
    Some,
}

/// Per word. What people write has a hundred.
const MAX_CANDIDATES: usize = 1 << 16;

/// The words that a register may come from, one bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    a: u16,
    x: u16,
}

impl Origin {
    fn join(&mut self, other: Self) {
        self.a |= other.a;
        self.x |= other.x;
    }
}
