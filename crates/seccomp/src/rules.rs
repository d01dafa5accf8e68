//! What a profile amounts to on one machine: flat, ordered lists, first match wins.

use stockade_abi::Architecture;

use crate::action::Action;
use crate::condition::Condition;

/// The meaning of a profile for one machine and one set of capabilities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// For what no rule matches.
    pub default: Action,
    /// For calls of an architecture that is not listed. `resolve` makes it kill the process.
    pub unlisted: Action,
    /// For numbers that the profile is too old to know, if that is not the default: see
    /// [`ArchitectureRules::newest`].
    pub newer: Option<Action>,
    /// The architectures that the profile speaks about, the native one first, none twice.
    pub architectures: Vec<ArchitectureRules>,
}

/// The rules of one architecture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ArchitectureRules {
    /// Which one.
    pub architecture: Architecture,
    /// The largest number that the profile names, whatever it says about it. What lies above it in
    /// the range in which the kernel appends calls gets [`Rules::newer`]. `u32::MAX` if it names
    /// none.
    pub newest: u32,
    /// By number, none twice.
    pub syscalls: Vec<(u32, SyscallRules)>,
}

/// What the profile says about one system call.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SyscallRules {
    /// The same whatever the arguments.
    Always(Action),
    /// The action of the first rule whose conditions all hold, else the default.
    First(Vec<Rule>),
}

/// An action and when it is taken.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Rule {
    /// All must hold. Never empty within [`SyscallRules::First`].
    pub conditions: Vec<Condition>,
    /// What is done then.
    pub action: Action,
}
