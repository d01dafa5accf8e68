//! From a seccomp profile to a BPF program, and an interpreter to prove it.
//!
//! ```text
//! JSON ── Profile::parse ─▶ Profile ─ resolve ─▶ Rules ─ compile ─▶ Program
//!         default_profile ─────▲                   │                    │
//!                                              evaluate  ══ equal ══ interpret
//! ```
//!
//! A [`Profile`] is what people write. [`Rules`] are what it amounts to on one machine, for one set
//! of capabilities: flat, ordered, first match wins; [`evaluate`] reads them as they stand and is
//! the reference. [`compile`] turns them into instructions, [`interpret`] runs instructions as the
//! kernel would, [`compare`] finds a call on which two filters differ.
//!
//! [`differences`] lists every call on which two sets of rules differ. [`intersect`], [`union`] and
//! [`overlay`] make new profiles of old ones and prove them.
//! For the people who write profiles: [`explain`] says which rule decides on a call, [`lint`] what is
//! probably not meant, and [`listing`] writes a program in words.
//!
//! Everything here is a pure function. What this crate does *not* know: Kubernetes, files, and how
//! a filter is loaded or read back.

mod action;
mod algebra;
mod answers;
mod arguments;
mod call;
mod compare;
mod compile;
mod condition;
mod default_profile;
mod difference;
mod evaluate;
mod explain;
mod interpret;
mod json;
mod lint;
mod listing;
mod meaning;
mod multiplex;
mod order;
mod pattern;
mod profile;
mod resolve;
mod rules;
mod simulate;
mod spot;

pub use action::Action;
pub use algebra::{AlgebraError, Changed, Remark, intersect, overlay, union};
pub use arguments::constant;
pub use call::Call;
pub use compare::{Comparison, Verdict, Witness, compare, compare_with_rules};
pub use compile::{CompileError, compile};
pub use condition::{Condition, Operator, Width};
pub use default_profile::{default_profile, opened_by};
pub use difference::{Difference, Differences, Extent, differences};
pub use evaluate::evaluate;
pub use explain::{
    By, Clause, Explanation, Known, Opened, Openness, Silent, Through, Unmet, Why, explain,
    explain_number, opened_with, openers,
};
pub use interpret::{BadProgram, check, interpret, steps};
pub use lint::{Finding, LINTS, Lint, MALFORMED, Severity, lint, mistakes};
pub use listing::listing;
pub use pattern::{Change, Pattern, PatternError};
pub use profile::{
    ArchitectureList, Flag, Listed, Name, Parsed, Place, Profile, ProfileError, ProfileErrorKind,
    ProfileRule, ProfileWarning, Selector, nearest_syscall,
};
pub use resolve::{ResolveError, Target, flatten, resolve};
pub use rules::{ArchitectureRules, Rule, Rules, SyscallRules};
pub use simulate::{NotAllowed, Step, simulate};
pub use spot::Spot;
