//! What one mechanism turned out to be, beside what was meant.
//!
//! Unknown is a verdict of its own, and never the good one.

use std::fmt;

use stockade_abi::Reading;

/// A mechanism, in the order in which reports show them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mechanism {
    /// User, group, supplementary groups.
    Identity,
    /// The five capability sets.
    Capabilities,
    /// The no_new_privs bit.
    NoNewPrivs,
    /// Seccomp mode and filter.
    Seccomp,
    /// AppArmor label.
    AppArmor,
    /// SELinux context.
    SeLinux,
    /// Namespaces.
    Namespaces,
    /// Root file system.
    Root,
    /// Masked and read-only paths.
    Paths,
    /// Device controller.
    Devices,
    /// cgroup limits.
    Limits,
    /// Host name.
    Hostname,
    /// One sysctl, by name.
    Sysctl(String),
    /// One volume, by where it is mounted.
    Volume(String),
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "privilege escalation",
            Self::Seccomp => "seccomp",
            Self::AppArmor => "AppArmor",
            Self::SeLinux => "SELinux",
            Self::Namespaces => "namespaces",
            Self::Root => "root filesystem",
            Self::Paths => "guarded paths",
            Self::Devices => "devices",
            Self::Limits => "limits",
            Self::Hostname => "hostname",
            Self::Sysctl(name) => return write!(f, "sysctl {name}"),
            Self::Volume(path) => return write!(f, "volume {path}"),
        })
    }
}

/// What one mechanism turned out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Which mechanism.
    pub mechanism: Mechanism,
    /// What the kernel says, in words.
    pub seen: String,
    /// How that compares with what was meant.
    pub verdict: Verdict,
}

/// How what is seen compares with what was meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// As meant.
    Holds,
    /// The kernel took the value in its own form (`1 2 3` became `1`); nothing is weaker.
    Adjusted(String),
    /// More confined than meant: a workload may rightly tighten itself.
    Tighter(String),
    /// Other than meant, in a way that has no order.
    Different(String),
    /// In force as far as can be seen, but not read in full (a filter, from within a user
    /// namespace).
    Unproven(String),
    /// Less confined than meant.
    Weaker(String),
    /// The kernel did not say.
    Unreadable(String),
}

impl Verdict {
    /// Whether a container may run with this verdict: nothing weaker, nothing of which
    /// nothing can be told.
    pub const fn is_acceptable(&self) -> bool {
        matches!(
            self,
            Self::Holds
                | Self::Adjusted(_)
                | Self::Tighter(_)
                | Self::Different(_)
                | Self::Unproven(_)
        )
    }

    /// What is to be said about it beyond the word.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Holds => None,
            Self::Adjusted(what)
            | Self::Tighter(what)
            | Self::Different(what)
            | Self::Unproven(what)
            | Self::Weaker(what)
            | Self::Unreadable(what) => Some(what),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "ok",
            Self::Adjusted(_) => "adjusted",
            Self::Tighter(_) => "tighter",
            Self::Different(_) => "different",
            Self::Unproven(_) => "not proven",
            Self::Weaker(_) => "WEAKER",
            Self::Unreadable(_) => "could not tell",
        })
    }
}

impl Finding {
    /// Judges a fact if it was read; says so if it was not.
    pub(crate) fn of<T>(
        mechanism: Mechanism,
        seen: &Reading<T>,
        judge: impl FnOnce(&T) -> (String, Verdict),
    ) -> Self {
        match seen {
            Reading::Known(value) => {
                let (seen, verdict) = judge(value);
                Self { mechanism, seen, verdict }
            }
            Reading::Unreadable(why) => Self {
                mechanism,
                seen: "unreadable".to_owned(),
                verdict: Verdict::Unreadable(why.to_string()),
            },
        }
    }
}
