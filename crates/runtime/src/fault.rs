//! What is said when a step cannot be done.
//!
//! A [`Fault`] is what one step's function returns. Whoever walks the plan knows which step it was
//! and why it is there, and makes a [`StepFailed`] of it.

use std::borrow::Cow;
use std::fmt;

use stockade_abi::Errno;
use stockade_confine::Origin;
use stockade_confine::plan::Plan;
use stockade_sys::Refused;
use thiserror::Error;

use crate::describe::doing;

/// A step of a plan that could not be done. Nothing of the plan is left in force.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("step {number} of {of}, {doing}: {cause}, because of {because}")]
pub struct StepFailed {
    /// Which step, from one.
    pub number: usize,
    /// How many the plan has.
    pub of: usize,
    /// What it does, as an order: `load the seccomp filter`.
    pub doing: String,
    /// What stood in the way.
    pub cause: Cause,
    /// The value that the step realizes.
    pub because: Because,
}

/// What stood in the way of a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// The kernel said no.
    Refused {
        /// The call, with the part of its arguments that tells it from others.
        call: Cow<'static, str>,
        /// The kernel's answer.
        errno: Errno,
    },
    /// We said no: something is not what it has to be.
    Unsafe(String),
}

/// Why a step is in the plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Because {
    /// The value's origin.
    Origin(Origin),
    /// Its description, where the plan is not at hand: the process that starts a container made by
    /// another one.
    Told(String),
}

/// Why the function of a step gave up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The kernel said no.
    Kernel(Refused),
    /// Something is not what it has to be.
    Unsafe(String),
}

/// The result of a step's function.
pub(crate) type Done<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) fn told(what: impl Into<String>) -> Self {
        Self::Unsafe(what.into())
    }

    /// The kernel's number, if it was the kernel.
    pub(crate) const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel(refused) => Some(refused.errno),
            Self::Unsafe(_) => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(Refused { call, errno }) => write!(f, "{errno} from {call}"),
            Self::Unsafe(what) => f.write_str(what),
        }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Kernel(refused)
    }
}

impl StepFailed {
    /// What went wrong in step `index` (from zero) of `plan`.
    pub(crate) fn new(plan: &Plan, index: usize, cause: Cause) -> Self {
        let steps = plan.steps();
        Self {
            number: index + 1,
            of: steps.len(),
            doing: steps.get(index).map_or_else(|| "nothing".to_owned(), |it| doing(&it.action)),
            cause,
            because: steps.get(index).map_or_else(
                || Because::Told("no step".to_owned()),
                |it| Because::Origin(it.because.clone()),
            ),
        }
    }
}

impl Cause {
    /// The kernel's number, if it was the kernel.
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Unsafe(_) => None,
        }
    }
}

impl From<Fault> for Cause {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Kernel(Refused { call, errno }) => {
                Self::Refused { call: Cow::Borrowed(call), errno }
            }
            Fault::Unsafe(what) => Self::Unsafe(what),
        }
    }
}

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Self {
        Fault::Kernel(refused).into()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { call, errno } => write!(f, "{errno} from {call}"),
            Self::Unsafe(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(Origin::Default(why)) => write!(f, "the default ({why})"),
            Self::Origin(origin) => origin.fmt(f),
            Self::Told(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use stockade_confine::plan::{Action, Stage, Step};

    use super::*;

    #[test]
    fn the_sentence_leads_from_the_errno_to_the_manifest() {
        let plan = Plan::in_stage_order(vec![
            Step::always(Stage::NoNewPrivs, Action::SetNoNewPrivs, "it always is"),
            Step::new(
                Stage::Exec,
                Action::Exec { arguments: vec!["sh".into()], environment: vec![] },
                Origin::Image("busybox".into()),
            ),
        ]);
        let refused = Refused { call: "execve", errno: Errno(2) };
        let failed = StepFailed::new(&plan, 1, refused.into());
        assert_eq!(
            failed.to_string(),
            "step 2 of 2, run `sh`: ENOENT (No such file or directory) from execve, \
             because of image busybox"
        );
    }
}
