//! The brain: from what a pod *says* to what its processes *are*.
//!
//! ```text
//! said               meant               to do            seen
//! Pod  ── resolve ─▶ Confinement ─ plan ─▶ Plan  ┄ apply ┄▶ ProcessFacts
//!                         └────── expect ──────▶ ProcessFacts ─ diff ─▶ Finding
//! ```
//!
//! An OCI bundle is a second front door: [`from_bundle`] yields the same two halves of a container,
//! its confinement and its workload, and from there on it is the same code.
//!
//! Everything here is a pure function. This crate never opens a file, reads a clock or makes a
//! system call; what it needs to know about the node comes in as an argument ([`World`] for what a
//! manifest means there, `Host` for what its kernel can do). `apply` (dotted) is
//! `stockade-runtime`, and the second source of [`stockade_abi::ProcessFacts`] is
//! `stockade-observe`.
//!
//! Each mechanism is one file in `mechanism/`. The drivers (`resolve`, `steps`, `expect`, `drift`)
//! name every field of [`Confinement`] and never write `..`, so a new mechanism does not compile
//! until all of them know it.
//!
//! What this crate does *not* know: policies (`stockade-admit`), YAML (`stockade-spec`), `/proc`
//! (`stockade-observe`), and errno.

mod bundle;
mod command;
mod container;
mod downward;
mod drift;
mod environment;
mod expect;
mod finding;
mod health;
pub mod kubelet;
pub mod limits;
mod mechanism;
mod objects;
mod origin;
pub mod plan;
mod quantity;
mod references;
mod refusal;
mod resolve;
mod scope;
mod steps;
mod support;
#[cfg(test)]
mod testing;
mod turn;
pub mod volume;
mod volumes;
pub mod workload;
pub mod world;

pub use bundle::{Bundled, from_bundle};
pub use container::{
    AppArmor, Confinement, Container, DevDirectory, Devices, GuardedPaths, Identity, Maker,
    PodConfinement, Resolved, Root, SeLinux, Seccomp, SeccompFilter, Sysctl, UserNamespace,
    Warning,
};
pub use drift::diff;
pub use expect::{Declared, expect, questions, render};
pub use finding::{Finding, Mechanism, Verdict};
pub use health::{Health, Hook, Probe};
pub use mechanism::capabilities::default_set as default_capabilities;
pub use mechanism::sysctls::dotted as dotted_sysctl;
pub use mechanism::volumes::VolumeMount;
pub use origin::{Origin, Sourced};
pub use references::{References, references};
pub use refusal::{Reason, Refusal};
pub use resolve::resolve;
pub use steps::{plan, plan_exec, plan_pod};
pub use turn::{ExitCodes, Next, Restart, RestartDefault, RestartPolicy, Turn};
pub use world::World;
