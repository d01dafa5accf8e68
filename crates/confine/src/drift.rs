//! Where a process and its declaration agree, and where they differ.
//!
//! Pure: two [`ProcessFacts`] in, findings out. Unknown is a verdict of its own.

use std::fmt;

use stockade_abi::{ProcessFacts, Reading};

use crate::mechanism;

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

/// Compares what was foretold with what is seen, mechanism by mechanism.
///
/// A fact that was not foretold (`Unreadable` in `expected`) is not judged and gives no finding.
pub fn diff(expected: &ProcessFacts, seen: &ProcessFacts) -> Vec<Finding> {
    let ProcessFacts {
        identity,
        capabilities,
        no_new_privs,
        seccomp,
        apparmor,
        selinux,
        namespaces,
        root,
        paths,
        sysctls,
        devices,
        limits,
        hostname,
    } = expected;
    let known = [
        identity.known().map(|it| mechanism::identity::compare(it, &seen.identity)),
        capabilities.known().map(|it| mechanism::capabilities::compare(it, seen)),
        no_new_privs.known().map(|it| mechanism::no_new_privs::compare(*it, &seen.no_new_privs)),
        seccomp.known().map(|it| mechanism::seccomp::compare(it, &seen.seccomp)),
        apparmor.known().map(|it| mechanism::apparmor::compare(it, &seen.apparmor)),
        selinux.known().map(|it| mechanism::selinux::compare(it, &seen.selinux)),
        namespaces.known().map(|it| mechanism::namespaces::compare(*it, &seen.namespaces)),
        root.known().map(|it| mechanism::root::compare(*it, &seen.root)),
        mechanism::paths::compare(paths, &seen.paths),
        mechanism::devices::compare(devices, &seen.devices),
        limits.known().map(|it| mechanism::limits::compare(it, &seen.limits)),
        hostname.known().map(|it| mechanism::hostname::compare(it, &seen.hostname)),
    ];
    let mut findings: Vec<Finding> = known.into_iter().flatten().collect();
    findings.extend(mechanism::sysctls::compare(sysctls, &seen.sysctls));
    findings
}

#[cfg(test)]
mod tests {
    use stockade_abi::Reading;

    use super::*;
    use crate::testing::{host, model, resolved, secured, world};
    use crate::{expect, plan, plan_pod};

    #[test]
    fn what_cannot_be_read_is_never_agreement_and_what_was_not_foretold_is_not_judged() {
        let resolved = resolved(&secured("", ""), &world());
        let (container, pod) = (&resolved.containers[0], &resolved.pod);
        let made = plan_pod(pod, &host()).unwrap();
        let plan = plan(container, pod, &host()).unwrap();
        let expected = expect(container, pod, &host());
        let seen = model::facts(made.as_ref(), &plan, &host(), &expected).unwrap();

        let unread = ProcessFacts {
            capabilities: Reading::unreadable("EACCES"),
            apparmor: Reading::unreadable("EACCES"),
            ..seen.clone()
        };
        let found = diff(&expected, &unread);
        let told: Vec<String> = found
            .iter()
            .filter(|it| !it.verdict.is_acceptable())
            .map(|it| format!("{}: {} ({})", it.mechanism, it.verdict, it.seen))
            .collect();
        assert_eq!(
            told,
            ["capabilities: could not tell (unreadable)", "AppArmor: could not tell (unreadable)"]
        );

        let silent = ProcessFacts { apparmor: Reading::unreadable("left open"), ..expected };
        let found = diff(&silent, &unread);
        assert!(found.iter().all(|it| it.mechanism != Mechanism::AppArmor));
    }

    #[test]
    fn only_weaker_and_unknown_keep_a_container_from_running() {
        let why = || "x".to_owned();
        for (verdict, acceptable) in [
            (Verdict::Holds, true),
            (Verdict::Adjusted(why()), true),
            (Verdict::Tighter(why()), true),
            (Verdict::Different(why()), true),
            (Verdict::Unproven(why()), true),
            (Verdict::Weaker(why()), false),
            (Verdict::Unreadable(why()), false),
        ] {
            assert_eq!(verdict.is_acceptable(), acceptable, "{verdict}");
        }
    }
}
