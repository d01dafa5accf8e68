//! Calls as people write them to change a profile: `socket(AF_ALG)`, `ioctl(_, 0x5412)=EACCES`,
//! `clone(CLONE_NEWUSER)`, `prctl(>=50)`, `personality(& 0x40000 == 0x40000)`.
//!
//! Arguments stand in their order, `_` is any, `arg3 == 7` says which one it is. The kernel looks at
//! the low half only of arguments that are an `int` in C, so a pattern does too: `socket(AF_ALG)` is
//! also the call whose first register holds 2³² + 38. A flag means that it is set, alone or with
//! others; on s390, where the flags of `clone` are its second argument, it is looked for there.

use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, Errno};
use thiserror::Error;

use crate::action::{Action, MAX_ERRNO};
use crate::arguments::{self, Kind, SYMBOLS};
use crate::condition::{Condition, Operator, Width};
use crate::profile::{Listed, Selector};

/// A set of calls and what is to be done with them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    /// As its author wrote it.
    pub text: String,
    /// Which call.
    pub syscall: Syscall,
    /// All must hold, each on so many bits of its argument (or fewer, if the architecture has fewer).
    pub conditions: Vec<(Condition, Width)>,
    /// In which direction the profile is changed.
    pub change: Change,
    /// What these calls get. `None`: some way to deny.
    pub action: Option<Action>,
    /// Only on these machines.
    pub includes: Selector,
    /// Not on these machines.
    pub excludes: Selector,
}

/// In which direction a profile is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// What is more permissive than the action becomes the action.
    Deny,
    /// What is less permissive than the action becomes the action.
    Allow,
}

/// Text that is no pattern.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PatternError {
    /// Neither a name nor a name with arguments.
    #[error("`{0}` is not of the form `name`, `name(ARGUMENT, …)` or either with `=ACTION`")]
    Form(String),
    /// No architecture has it.
    #[error("unknown system call `{0}`")]
    UnknownSyscall(String),
    /// Neither a number, nor a comparison, nor a known constant.
    #[error("`{0}` is no number, comparison or known constant")]
    Argument(String),
    /// More than there are.
    #[error("a system call has six arguments")]
    TooMany,
    /// A constant of another argument.
    #[error("{symbol} means nothing as argument {argument} of {syscall}")]
    Misplaced {
        /// The constant.
        symbol: String,
        /// Where it stands, from 0.
        argument: u8,
        /// In which call.
        syscall: &'static str,
    },
    /// What a filter cannot see.
    #[error("the flags of clone3 lie in memory, where a filter cannot look")]
    Clone3,
    /// Not an action, or one that does the opposite.
    #[error("`{word}` is no action to {verb} a call")]
    Action {
        /// As written.
        word: String,
        /// `deny` or `allow`.
        verb: &'static str,
    },
}

impl Pattern {
    /// Reads a pattern; more than one comes of it where machines differ.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn parse(text: &str, change: Change) -> Result<Vec<Self>, PatternError> {
        let form = || PatternError::Form(text.to_owned());
        let compact = text.trim();
        let end = compact.rfind(')').map_or(0, |it| it + 1);
        let (call, word) = match compact[end..].split_once('=') {
            Some((rest, word)) => (&compact[..end + rest.len()], Some(word.trim())),
            None => (compact, None),
        };
        let (name, arguments) = match call.trim().strip_suffix(')') {
            Some(open) => open.split_once('(').map(|(name, all)| (name, Some(all))),
            None => Some((call.trim(), None)),
        }
        .ok_or_else(form)?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
            return Err(form());
        }
        let syscall =
            Syscall::named(name).ok_or_else(|| PatternError::UnknownSyscall(name.to_owned()))?;
        let mut conditions = Vec::new();
        let mut has_flags = false;
        let arguments = arguments.filter(|it| !it.trim().is_empty());
        for (position, one) in arguments.into_iter().flat_map(|it| it.split(',')).enumerate() {
            let position = u8::try_from(position).ok().filter(|it| *it < 6);
            let one = one.trim();
            if one == "_" {
                continue;
            }
            let (condition, kind) = argument(syscall, position.ok_or(PatternError::TooMany)?, one)?;
            has_flags |= kind == Some(Kind::Flag);
            conditions.push(condition);
        }
        let action = match word {
            Some(word) => Some(action(word, change)?),
            None if change == Change::Allow => Some(Action::Allow),
            None => None,
        };
        let on = |native, conditions: Vec<Condition>, includes, excludes| Self {
            text: text.to_owned(),
            syscall,
            conditions: conditions.into_iter().map(|it| as_seen(native, name, it)).collect(),
            change,
            action,
            includes,
            excludes,
        };
        let any = Selector::default;
        if name != "clone" || conditions.is_empty() {
            return Ok(vec![on(Architecture::X86_64, conditions, any(), any())]);
        }
        // S/390 has the stack first and the flags second.
        let s390 = || Selector {
            architectures: vec![
                Listed::Known(Architecture::S390x),
                Listed::Known(Architecture::S390),
            ],
            ..Selector::default()
        };
        let mut there = conditions.clone();
        for condition in there.iter_mut().filter(|_| has_flags) {
            condition.argument = match condition.argument {
                0 => 1,
                1 => 0,
                other => other,
            };
        }
        Ok(vec![
            on(Architecture::X86_64, conditions, any(), s390()),
            on(Architecture::S390x, there, s390(), any()),
        ])
    }
}

/// A condition on the bits that the kernel looks at.
fn as_seen(native: Architecture, syscall: &str, condition: Condition) -> (Condition, Width) {
    let Condition { argument, operator } = condition;
    match (arguments::bits(native, syscall, argument), operator) {
        (Some(16), Operator::Equal(value)) if value <= u16::MAX.into() => {
            let operator = Operator::MaskedEqual { mask: u16::MAX.into(), value };
            (Condition { argument, operator }, Width::Bits32)
        }
        (Some(_), _) => (condition, Width::Bits32),
        (None, _) => (condition, Width::Bits64),
    }
}

fn argument(
    syscall: Syscall,
    position: u8,
    text: &str,
) -> Result<(Condition, Option<Kind>), PatternError> {
    let wrong = || PatternError::Argument(text.to_owned());
    let (argument, rest) = match text.strip_prefix("arg") {
        Some(rest) => {
            let digit = rest.chars().next().and_then(|it| it.to_digit(6)).ok_or_else(wrong)?;
            (digit as u8, rest[1..].trim_start())
        }
        None => (position, text),
    };
    let plain = |operator| Ok((Condition { argument, operator }, None));
    if let Some(masked) = rest.strip_prefix('&') {
        let (mask, value) = masked.split_once("==").ok_or_else(wrong)?;
        let mask = number(mask).ok_or_else(wrong)?;
        let value = number(value).filter(|it| it & !mask == 0).ok_or_else(wrong)?;
        return plain(Operator::MaskedEqual { mask, value });
    }
    for (sign, operator) in SIGNS {
        if let Some(value) = rest.strip_prefix(sign) {
            return plain(operator(number(value).ok_or_else(wrong)?));
        }
    }
    if let Some(value) = number(rest) {
        return plain(Operator::Equal(value));
    }
    let (symbol, value, kind, places) =
        SYMBOLS.iter().find(|(symbol, ..)| *symbol == rest).ok_or_else(wrong)?;
    if syscall.name() == "clone3" {
        return Err(PatternError::Clone3);
    }
    if !places.contains(&(syscall.name(), argument)) {
        let (symbol, syscall) = ((*symbol).to_owned(), syscall.name());
        return Err(PatternError::Misplaced { symbol, argument, syscall });
    }
    let operator = match kind {
        Kind::Value => Operator::Equal(*value),
        Kind::Field(mask) => Operator::MaskedEqual { mask: *mask, value: *value },
        Kind::Flag => Operator::MaskedEqual { mask: *value, value: *value },
    };
    Ok((Condition { argument, operator }, Some(*kind)))
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if !text.starts_with('+') => text.parse().ok(),
        Some(_) | None => None,
    }
}

fn action(word: &str, change: Change) -> Result<Action, PatternError> {
    let known = [
        ("allow", Action::Allow),
        ("log", Action::Log),
        ("notify", Action::Notify),
        ("trap", Action::Trap),
        ("kill", Action::KillProcess),
        ("kill-process", Action::KillProcess),
        ("kill-thread", Action::KillThread),
    ];
    let errno = || {
        let number = word.parse().ok().filter(|it| (1..=MAX_ERRNO).contains(it)).map(Errno);
        Errno::from_name(word).or(number).map(Action::Errno)
    };
    let found = known.iter().find(|it| it.0 == word).map(|it| it.1).or_else(errno);
    let (verb, lets_through) = match change {
        Change::Deny => ("deny", false),
        Change::Allow => ("allow", true),
    };
    found
        .filter(|it| it.lets_through() == lets_through)
        .ok_or_else(|| PatternError::Action { word: word.to_owned(), verb })
}

type Sign = (&'static str, fn(u64) -> Operator);

/// Signs before those that they begin with.
const SIGNS: &[Sign] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

#[cfg(test)]
mod tests;
