//! Hands: executes plans.
//!
//! ```text
//! Plan ─ create ─▶ Created ─ start ─▶ Held ─ release ─▶ Running
//!                 (waits)            (at its first instruction)
//! ```
//!
//! [`create`] walks a [`Plan`](stockade_confine::plan::Plan) together with the child that it makes: the host does the steps of its
//! side, the child those of its own, and a change of side is a message over a socket. What happens
//! and in which order was decided when the plan was made; nothing is decided here. A step that the
//! kernel refuses ends everything: the answer is a [`StepFailed`] with the step and the line of the
//! manifest that asked for it, and nothing that was made stays behind. There is no second best way
//! to do a step.
//!
//! Everything acts on descriptors: host paths are opened before the child is born, paths of the
//! container are resolved by the kernel within its root ([`root`]), and the kernel's own files are
//! reached through a `/proc` that was opened and verified before any image had a say ([`proc`]).
//!
//! The process that calls [`create`] has one thread: it makes children that are copies of it.
//!
//! What this crate does *not* know: YAML, policies, images, how a plan comes about.

mod apply;
pub mod bundle;
pub mod cgroup;
mod channel;
mod child;
mod describe;
mod fault;
mod joiner;
pub mod pod;
mod prepare;
mod proc;
mod remove;
mod root;
pub mod sandbox;
mod site;
mod started;
mod step;

pub use apply::{Created, create};
pub use fault::{Because, Cause, StepFailed};
pub use sandbox::{PodNamespaces, make_namespaces};
pub use site::{Gate, Join, Known, Life, PodFiles, Site, Streams, Tie, VolumeRoot, remove_scratch};
pub use started::{Held, Hold, NotStarted, Running, Started, give_word};
