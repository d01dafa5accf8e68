//! Virtual machines for tests that this kernel cannot serve: AppArmor, SELinux,
//! cgroup v2 alone, another release.
//!
//! ```text
//! host                                         guest
//! Guest ── initramfs ─▶ QEMU ── boots ─▶ init (this same program)
//!   steps ── a file of the initramfs ──────▶ one after the other
//!   GuestReport ◀── second serial port ───── results, as they come
//!   console.log ◀── first serial port ────── the kernel's messages
//! ```
//!
//! A test describes a [`Guest`], runs it and judges the [`GuestReport`]:
//!
//! ```no_run
//! use xtask::vm::{Command, Exit, Guest, Kernel, Lsm, Step};
//!
//! let report = Guest::new(Kernel::newest()?)
//!     .lsm(Lsm::AppArmor)
//!     .busybox()
//!     .file("target/release/stockade", "/bin/stockade")
//!     .step(Step::Run(Command::new(["stockade", "--version"])))
//!     .run()?;
//! assert_eq!(report.results[0].exit, Exit::Code(0));
//! # Ok::<(), xtask::vm::GuestError>(())
//! ```
//!
//! The guest's init is the program that called [`Guest::run`], unless
//! [`Guest::init`] names another: it must be static, and its `main` must begin
//! with [`become_init`]. A test with `harness = false` can be its own guest.
//!
//! QEMU emulates (`-accel tcg`), so that it works in a virtual machine or a
//! container too; a Debian cloud kernel is up in three to four seconds.
//!
//! What this module does *not* know: pods, containers and the product.

mod cli;
mod cpio;
mod error;
mod guest;
mod init;
mod kernel;
mod modules;
mod program;
mod protocol;
mod qemu;
mod step;

pub use cli::main;
pub use error::GuestError;
pub use guest::{Guest, GuestReport, Lsm, missing};
pub use init::become_init;
pub use kernel::Kernel;
pub use step::{Command, CommandResult, Exit, Step, Stop};
