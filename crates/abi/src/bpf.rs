//! Classic BPF instructions, as seccomp(2) takes them.
//!
//! Source: `linux/filter.h`, `linux/bpf_common.h`, `linux/seccomp.h`.

/// One instruction, in the layout of `struct sock_filter`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct Instruction {
    /// Class, size, mode or operation.
    pub code: u16,
    /// Instructions to skip if the comparison is true.
    pub jt: u8,
    /// Instructions to skip if the comparison is false.
    pub jf: u8,
    /// Constant, offset or jump distance.
    pub k: u32,
}

/// The longest program that the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// A program of a size that the kernel takes.
///
/// Invariant: 1 to [`MAX_INSTRUCTIONS`] instructions.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Program(Box<[Instruction]>);

impl Program {
    /// Returns `None` if the program is empty or too long.
    pub fn new(instructions: Vec<Instruction>) -> Option<Self> {
        let fits = (1..=MAX_INSTRUCTIONS).contains(&instructions.len());
        fits.then(|| Self(instructions.into()))
    }

    /// The instructions, first to last.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}
