//! The device controller of cgroup v2: programs that the kernel asks whether a device may be used.
//!
//! | | |
//! |---|---|
//! | from rules to a program | [`DeviceProgram::assemble`] |
//! | into the kernel | [`DeviceProgram::load`], [`attach`] |
//! | what is there | [`query`], [`program_instructions`] |
//! | what that means | [`evaluate`]: ours and other runtimes' programs, or an honest "cannot judge" |
//!
//! Source: `linux/bpf.h`, the kernel's `Documentation/bpf/standardization/instruction-set.rst`.

mod assemble;
mod calls;
mod evaluate;
mod instruction;

pub use assemble::DeviceProgram;
pub use calls::{Asked, ProgramId, attach, program_instructions, query};
pub use evaluate::{CannotJudge, Obstacle, evaluate};
