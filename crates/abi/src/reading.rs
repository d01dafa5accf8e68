//! A fact that was read, or the reason why it could not be.

use std::fmt;

/// A fact about a process or a host. Unknown is a state of its own and never agreement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reading<T> {
    /// The kernel said so.
    Known(T),
    /// The kernel did not say.
    Unreadable(Why),
}

/// Why a fact could not be read, in words for the reader of a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Why(pub String);

impl<T> Reading<T> {
    /// An unreadable fact.
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self::Unreadable(Why(why.into()))
    }

    /// The fact, if it was read.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unreadable(_) => None,
        }
    }

    /// The same reading of something derived from the fact.
    pub fn map<U>(self, derive: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Known(value) => Reading::Known(derive(value)),
            Self::Unreadable(why) => Reading::Unreadable(why),
        }
    }
}

impl<T, E: fmt::Display> From<Result<T, E>> for Reading<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::unreadable(error.to_string()),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
