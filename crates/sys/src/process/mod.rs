//! Birth, ties to a parent, descriptors and `execve` of processes.

mod birth;
mod descriptors;
mod exec;
mod parent;

pub use birth::{Birth, Born, Parent, birth, is_single_threaded, unshare};
pub use descriptors::{close_at_exec_from, take_inherited, void_descriptors_from};
pub use exec::Exec;
pub use parent::{ParentIs, die_with_parent};

/// Ends the process at once: nothing is flushed, no destructor runs.
///
/// What a child of [`birth`] ends with, so that it does not undo what its parent set up.
///
/// # Kernel
///
/// exit_group(2).
pub fn exit_now(code: u8) -> ! {
    // SAFETY: takes its argument by value and does not return, so that nothing can observe what it
    // leaves behind in this address space.
    unsafe { libc::_exit(i32::from(code)) }
}
