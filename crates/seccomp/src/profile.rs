//! A profile as people write it: OCI's and Docker's JSON in all forms that are in use.
//!
//! [`Profile::parse`] is strict, because what is skipped is not enforced: an unknown field, action,
//! operator, architecture or capability and a repeated key are errors, with line and column. A name
//! that no architecture has is an error in a rule that tightens (it would not take effect) and a
//! warning in one that loosens.
//!
//! Source: OCI runtime-spec `config-linux.md`, "Seccomp"; Docker's `archMap`, `includes`,
//! `excludes`, `comment` and `name`; podman's `errno` and `defaultErrno`.

use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, CapabilitySet};

pub use crate::json::Place;
use crate::{Action, Condition};

mod error;
mod parse;
mod print;
mod words;

pub use error::{ProfileError, ProfileErrorKind, ProfileWarning};

/// A profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// For what no rule matches.
    pub default_action: Action,
    /// The architectures that it is about.
    pub architectures: ArchitectureList,
    /// How the filter is to be loaded.
    pub flags: Vec<Flag>,
    /// The socket to which the descriptor for [`Action::Notify`] is sent.
    pub listener_path: Option<String>,
    /// What is sent along with it.
    pub listener_metadata: Option<String>,
    /// In the order of the file.
    pub rules: Vec<ProfileRule>,
}

/// A profile that was read, and what its author should know about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parsed {
    /// The profile.
    pub profile: Profile,
    /// What was odd but not wrong.
    pub warnings: Vec<ProfileWarning>,
}

impl Profile {
    /// Reads a profile. `file` is its name, for messages.
    ///
    /// # Errors
    ///
    /// Every mistake that could be found, in the order of the text. After one in the syntax nothing
    /// more is read.
    pub fn parse(file: &str, text: &str) -> Result<Parsed, Vec<ProfileError>> {
        parse::parse(file, text)
    }

    /// The profile as text, in a fixed form that [`Profile::parse`] reads back.
    pub fn to_json(&self) -> String {
        print::print(self)
    }

    /// The same profile in the order in which it is best compared: the names of a rule sorted, none
    /// twice. Rules keep their order, which can matter.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        for rule in &mut self.rules {
            rule.names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            rule.names.dedup();
        }
        self
    }
}

/// The system call whose name differs from `word` in few letters, if there is one.
pub fn nearest_syscall(word: &str) -> Option<&'static str> {
    error::nearest(word, Syscall::all().map(Syscall::name))
}

/// The architectures that a profile is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ArchitectureList {
    /// None named: the machine's own.
    Native,
    /// OCI: these, and the machine's own.
    Listed(Vec<Listed>),
    /// Docker: the machine's own, with those that its entry names.
    Map(Vec<(Listed, Vec<Listed>)>),
}

/// An architecture as a profile names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listed {
    /// One that this crate compiles for.
    Known(Architecture),
    /// One that exists but that no machine has on which this runs.
    Foreign(&'static str),
}

/// A flag of seccomp(2), `SECCOMP_FILTER_FLAG_*`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flag {
    /// All threads get the filter.
    Tsync,
    /// What is not allowed is logged.
    Log,
    /// No speculative store bypass mitigation.
    SpecAllow,
    /// A supervised call waits uninterruptibly once the supervisor has received it.
    WaitKillableRecv,
}

/// One entry of `syscalls`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileRule {
    /// Where it stands.
    pub place: Place,
    /// What it is about.
    pub names: Vec<Name>,
    /// What is done.
    pub action: Action,
    /// When, as written.
    pub conditions: Vec<Condition>,
    /// Only if all of this holds.
    pub includes: Selector,
    /// Not if any of this holds.
    pub excludes: Selector,
    /// What its author says about it.
    pub comment: Option<String>,
}

/// The name of a system call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    /// Some architecture has it.
    Known(Syscall),
    /// None has.
    Unknown(Box<str>),
}

impl Name {
    /// As people write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => known.name(),
            Self::Unknown(name) => name,
        }
    }
}

/// Docker's conditions on the machine and the container.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selector {
    /// The machine's own architecture is one of these.
    pub architectures: Vec<Listed>,
    /// The container has these capabilities.
    pub capabilities: CapabilitySet,
    /// The kernel is at least this.
    pub min_kernel: Option<(u32, u32)>,
}

#[cfg(test)]
mod tests;
