//! Mistakes in profiles, with their place.

use std::fmt;

use thiserror::Error;

use crate::json::Place;

/// One mistake in a profile. A profile with any is not used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{file}:{place}: {path}{gap}{kind}", gap = if path.is_empty() { "" } else { ": " })]
pub struct ProfileError {
    /// The file, as the caller named it.
    pub file: String,
    /// Line and column.
    pub place: Place,
    /// The field: `syscalls[3].action`. Empty for the whole text.
    pub path: String,
    /// What is wrong with it.
    pub kind: ProfileErrorKind,
}

/// Something in a profile that has no effect but does no harm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileWarning {
    /// The file, as the caller named it.
    pub file: String,
    /// Line and column.
    pub place: Place,
    /// The field.
    pub path: String,
    /// What is odd about it.
    pub kind: ProfileErrorKind,
}

impl fmt::Display for ProfileWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.place, self.path, self.kind)
    }
}

/// The ways in which a profile can be wrong.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ProfileErrorKind {
    /// Not JSON.
    #[error("{0}")]
    Syntax(&'static str),

    /// A value of another type than the field has.
    #[error("expected {expected}")]
    WrongType {
        /// What the field takes.
        expected: &'static str,
    },

    /// A field that no dialect has. To skip it could mean to filter less than its author wanted.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// As written.
        name: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },

    /// A key that stands twice in one object. Readers differ in which one counts.
    #[error("`{name}` stands here twice")]
    DuplicateField {
        /// The key.
        name: String,
    },

    /// A field without which the profile has no meaning.
    #[error("`{name}` is missing")]
    MissingField {
        /// The field.
        name: &'static str,
    },

    /// Two ways to say the same thing, of which only one may be used.
    #[error("`{first}` and `{second}` exclude each other")]
    Exclusive {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },

    /// A word that is none of those that the field takes.
    #[error("unknown {what} `{word}`")]
    UnknownWord {
        /// Of which kind: `action`, `operator`, `architecture`, `capability`, `flag`, `error`.
        what: &'static str,
        /// As written.
        word: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },

    /// A system call that no architecture has.
    #[error("unknown system call `{name}`")]
    UnknownSyscall {
        /// As written.
        name: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },

    /// A number outside its range.
    #[error("{value} is not a number from 0 to {limit}")]
    OutOfRange {
        /// As written.
        value: String,
        /// The largest that is possible.
        limit: u64,
    },

    /// An error number for an action that returns none.
    #[error("the action returns no error number")]
    NoErrno,

    /// A rule without a name.
    #[error("the rule names no system call")]
    NoNames,

    /// More conditions than any filter can hold, counted once for each name.
    #[error("the profile has more than {limit} conditions")]
    TooManyConditions {
        /// The most that are read.
        limit: usize,
    },

    /// A kernel version that is not `major.minor`.
    #[error("`{value}` is not a kernel version like `4.8`")]
    BadKernelVersion {
        /// As written.
        value: String,
    },

    /// Bits of a masked comparison that are compared with nothing.
    #[error("{value:#x} has bits outside the mask {mask:#x}; they do not count")]
    OutsideMask {
        /// The value.
        value: u64,
        /// The mask.
        mask: u64,
    },

    /// A second value of a comparison that takes one.
    #[error("the operator takes one value; `valueTwo` {value:#x} does not count")]
    UnusedValue {
        /// The second value.
        value: u64,
    },

    /// `SCMP_ACT_NOTIFY` needs a supervisor.
    #[error("the action asks a supervisor, but there is no `listenerPath`")]
    NoListener,
}

impl ProfileErrorKind {
    /// What the author should try, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownField { nearest, .. }
            | Self::UnknownWord { nearest, .. }
            | Self::UnknownSyscall { nearest, .. } => {
                nearest.map(|it| format!("did you mean `{it}`?"))
            }
            Self::OutOfRange { value, limit } if value.starts_with('-') && *limit == u64::MAX => {
                Some("write negative arguments as the kernel sees them, as unsigned".to_owned())
            }
            Self::Exclusive { first, .. } => Some(format!("leave out `{first}`")),
            Self::Syntax(_)
            | Self::WrongType { .. }
            | Self::DuplicateField { .. }
            | Self::MissingField { .. }
            | Self::OutOfRange { .. }
            | Self::NoErrno
            | Self::NoNames
            | Self::TooManyConditions { .. }
            | Self::BadKernelVersion { .. }
            | Self::OutsideMask { .. }
            | Self::UnusedValue { .. }
            | Self::NoListener => None,
        }
    }
}

/// The candidate that differs from `word` in few letters, if there is one.
pub(super) fn nearest(
    word: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let limit = 1 + word.len() / 5;
    if word.len() > 64 {
        return None;
    }
    let of_word = letters(word);
    candidates
        .filter(|it| it.len().abs_diff(word.len()) <= limit)
        // Profiles name calls of kernels to come, so this is asked often and seldom answered: one change
        // takes at most one letter away and brings one.
        .filter(|it| (letters(it) ^ of_word).count_ones() as usize <= 2 * limit)
        .map(|it| (distance(word.as_bytes(), it.as_bytes()), it))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// The letters that occur, one bit each, deaf to case. Other signs share bits.
fn letters(word: &str) -> u32 {
    word.bytes().fold(0, |bits, it| bits | 1 << (it & 31))
}

/// Levenshtein's distance, deaf to case.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
