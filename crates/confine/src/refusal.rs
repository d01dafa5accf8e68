//! Reasons why a pod does not start: answers, not errors.

use std::fmt;

use stockade_spec::Place;

/// A pod, or a part of it, that is not started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The word that Kubernetes uses for it.
    pub reason: Reason,
    /// The field that asks for what cannot be had.
    pub place: Place,
    /// Why, in a sentence without a full stop; upstream's wording where upstream has one.
    pub why: String,
    /// What to do about it, if we know.
    pub hint: Option<String>,
}

/// The word for a refusal, as events and pod statuses of Kubernetes spell it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// An unsafe sysctl that the node does not allow.
    SysctlForbidden,
    /// AppArmor cannot be enforced.
    AppArmor,
    /// The configuration of a container cannot be honoured: runAsNonRoot, a missing profile.
    CreateContainerConfigError,
    /// The image is not here.
    ErrImageNeverPull,
    /// This build does not enforce the field, and does not skip it.
    NotEnforced,
    /// This kernel, or these privileges, cannot enforce it.
    Unsupported,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SysctlForbidden => "SysctlForbidden",
            Self::AppArmor => "AppArmor",
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::NotEnforced => "NotEnforced",
            Self::Unsupported => "Unsupported",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.reason, self.why)
    }
}
