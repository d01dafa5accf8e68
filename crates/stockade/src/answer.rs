//! What a command comes to, as an exit code.
//!
//! | code | means |
//! |---|---|
//! | 0 | yes |
//! | 1 | no: a refusal, a finding |
//! | 2 | the question was wrong: usage, a malformed manifest |
//! | 3 | no answer: something could not be read, reached or done |
//! | 125, 126, 127 | `run` and `exec`: we failed · the program cannot be executed · it is not there |
//!
//! `run` and `exec` otherwise pass the workload's own code through.

use std::fmt;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// Done, or as asked.
    Yes,
    /// Refused, or something was found.
    No,
    /// The question was wrong.
    WrongQuestion,
    /// There is no answer.
    Unanswered,
    /// The workload's own exit code.
    Workload(u8),
    /// We failed to start the workload.
    NotStarted,
    /// The workload's program cannot be executed.
    NotExecutable,
    /// The workload's program is not there.
    NotFound,
}

impl Answer {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::WrongQuestion => 2,
            Self::Unanswered => 3,
            Self::Workload(code) => code,
            Self::NotStarted => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }

    /// The same answer of a command that otherwise passes a workload's code through: our own
    /// failures must not be taken for the workload's.
    pub(crate) const fn instead_of_a_workload(self) -> Self {
        match self {
            Self::No | Self::WrongQuestion | Self::Unanswered => Self::NotStarted,
            Self::Yes
            | Self::Workload(_)
            | Self::NotStarted
            | Self::NotExecutable
            | Self::NotFound => self,
        }
    }
}

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        Self::from(answer.code())
    }
}

/// Why a command did not come to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// Everything has been said; only the exit code is left.
    Said(Answer),
    /// Something that is still to be said.
    Message {
        /// The exit code.
        answer: Answer,
        /// What went wrong: a sentence without full stop.
        what: String,
        /// What to do about it, if we know.
        hint: Option<String>,
    },
}

impl Failure {
    /// A failure with its exit code.
    pub(crate) fn new(answer: Answer, what: impl fmt::Display) -> Self {
        Self::Message { answer, what: what.to_string(), hint: None }
    }

    /// The question was wrong.
    pub(crate) fn question(what: impl fmt::Display) -> Self {
        Self::new(Answer::WrongQuestion, what)
    }

    /// There is no answer: something could not be read, reached or done.
    pub(crate) fn unanswered(what: impl fmt::Display) -> Self {
        Self::new(Answer::Unanswered, what)
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Said(answer) => Self::Said(answer),
            Self::Message { answer, what, hint: _ } => {
                Self::Message { answer, what, hint: Some(hint.into()) }
            }
        }
    }

    /// The same failure of a command that otherwise passes a workload's code through.
    #[must_use]
    pub(crate) fn instead_of_a_workload(self) -> Self {
        match self {
            Self::Said(answer) => Self::Said(answer.instead_of_a_workload()),
            Self::Message { answer, what, hint } => {
                Self::Message { answer: answer.instead_of_a_workload(), what, hint }
            }
        }
    }
}

impl From<stockade_image::Error> for Failure {
    fn from(error: stockade_image::Error) -> Self {
        Self::unanswered(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_s_code_is_never_ours() {
        for (answer, expected) in [
            (Answer::Yes, 0),
            (Answer::No, 125),
            (Answer::WrongQuestion, 125),
            (Answer::Unanswered, 125),
            (Answer::Workload(1), 1),
            (Answer::NotFound, 127),
            (Answer::NotExecutable, 126),
        ] {
            assert_eq!(answer.instead_of_a_workload().code(), expected, "{answer:?}");
        }
    }
}
