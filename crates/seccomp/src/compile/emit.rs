//! Writes a program from its end to its beginning.
//!
//! Classic BPF jumps forward only, and a conditional jump reaches 255 instructions. Backwards, every
//! target is already there: if one is out of reach, a copy of the return, or a long jump to it, is
//! put in between.

use stockade_abi::bpf::Instruction;

use crate::interpret::operation::{AND_K, JA, LD_ABS, RET_K};

/// Where a jump leads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Target {
    /// The filter returns this value.
    Return(u32),
    /// An instruction that is there already.
    At(Label),
}

/// An instruction, counted from the end of the program.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Label(u32);

pub(super) struct Emitter {
    /// Last instruction first.
    reversed: Vec<Instruction>,
    /// For each value the nearest return of it.
    returns: Vec<(u32, Label)>,
}

impl Emitter {
    pub(super) fn new() -> Self {
        Self { reversed: Vec::with_capacity(256), returns: Vec::with_capacity(8) }
    }

    /// Emits a comparison of the accumulator with `k`.
    pub(super) fn jump(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        // Reaching `no` may take one more instruction, which lies between here and `yes`.
        let yes = self.near(yes, 1);
        let no = self.near(no, 0);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(Instruction { code, jt, jf, k })
    }

    /// Emits a load of a word, then `next`.
    pub(super) fn load(&mut self, offset: u32, next: Target) -> Target {
        match next {
            Target::Return(_) => next,
            Target::At(_) => {
                self.before(Instruction { code: LD_ABS, jt: 0, jf: 0, k: offset }, next)
            }
        }
    }

    /// Emits a mask of the accumulator, then `next`.
    pub(super) fn and(&mut self, mask: u32, next: Target) -> Target {
        self.before(Instruction { code: AND_K, jt: 0, jf: 0, k: mask }, next)
    }

    /// The program that begins at `root`, first instruction first.
    pub(super) fn finish(mut self, root: Target) -> Vec<Instruction> {
        self.make_next(root);
        self.reversed.reverse();
        self.reversed
    }

    fn before(&mut self, instruction: Instruction, next: Target) -> Target {
        self.make_next(next);
        self.push(instruction)
    }

    /// Makes `target` what the next instruction to be written falls through to.
    fn make_next(&mut self, target: Target) {
        let label = self.near(target, 0);
        let distance = self.distance(label);
        if distance > 0 {
            self.push(Instruction { code: JA, jt: 0, jf: 0, k: distance as u32 });
        }
    }

    /// A label for `target` that the next instruction can reach even if `more` others come between.
    fn near(&mut self, target: Target, more: usize) -> Label {
        let reach = usize::from(u8::MAX) - more;
        match target {
            Target::At(label) if self.distance(label) <= reach => label,
            Target::At(label) => {
                let k = self.distance(label) as u32;
                self.write(Instruction { code: JA, jt: 0, jf: 0, k })
            }
            Target::Return(value) => {
                let known = self.returns.iter().position(|(it, _)| *it == value);
                if let Some(index) = known {
                    let label = self.returns[index].1;
                    if self.distance(label) <= reach {
                        return label;
                    }
                }
                let label = self.write(Instruction { code: RET_K, jt: 0, jf: 0, k: value });
                match known {
                    Some(index) => self.returns[index].1 = label,
                    None => self.returns.push((value, label)),
                }
                label
            }
        }
    }

    /// How many instructions lie between the next one to be written and `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - 1 - label.0 as usize
    }

    fn push(&mut self, instruction: Instruction) -> Target {
        Target::At(self.write(instruction))
    }

    fn write(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        Label((self.reversed.len() - 1) as u32)
    }
}
