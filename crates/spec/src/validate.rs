//! What an API server would say about a pod before anybody judges it.
//!
//! The rules of the fields that decide about confinement, with the API's own
//! wording and paths (odd ones too: `spec.HostPID`). Version by version, so that
//! the answer can be exactly that of a given cluster; the pod is taken as given,
//! without the copying between annotations and fields that a cluster does on
//! creation: that is [`sync`](crate::sync()).
//!
//! Not checked: what has no part in confinement (probes, affinity, DNS …).
//!
//! Source: Kubernetes `pkg/apis/core/validation`, 1.20 to 1.37.

pub(crate) mod apparmor;
mod containers;
mod go;
mod metadata;
mod names;
mod namespaces;
mod report;
pub(crate) mod seccomp;
mod security_context;
mod sysctls;
mod windows;

use crate::manifest::Pod;
use crate::manifest_error::ManifestError;
use report::Report;

/// A minor version of the Kubernetes API: `ApiVersion(36)` is v1.36.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApiVersion(pub u16);

impl ApiVersion {
    /// The newest version whose rules are known.
    pub const LATEST: Self = Self(37);
}

/// Whose answer is wanted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rules {
    /// The version of the API.
    pub version: ApiVersion,
    /// What of the annotations of times past.
    pub annotations: LegacyAnnotations,
    /// The API server's `--allow-privileged`.
    pub privileged: PrivilegedContainers,
}

/// Whether annotations that clusters no longer take are checked or refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LegacyAnnotations {
    /// Exactly as the cluster of that version does. (It refuses the very old
    /// `security.alpha.kubernetes.io/seccomp/pod`: that is no valid key, with its
    /// two slashes.)
    AsCluster,
    /// All of them mean what they once meant, so their syntax is checked.
    Understood,
}

/// The API server's `--allow-privileged`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PrivilegedContainers {
    /// The default.
    Allowed,
    /// `--allow-privileged=false`.
    Forbidden,
}

impl Rules {
    /// The rules for pods that run here: those of the newest API, with
    /// annotations of all times.
    pub const HERE: Self = Self {
        version: ApiVersion::LATEST,
        annotations: LegacyAnnotations::Understood,
        privileged: PrivilegedContainers::Allowed,
    };
}

impl From<ApiVersion> for Rules {
    /// The rules of a cluster of that version.
    fn from(version: ApiVersion) -> Self {
        Self { version, annotations: LegacyAnnotations::AsCluster, ..Self::HERE }
    }
}

/// Checks `pod` by `rules`. Empty means valid.
pub fn validate(pod: &Pod, rules: impl Into<Rules>) -> Vec<ManifestError> {
    let mut report = Report::new(pod, rules.into());
    for check in CHECKS {
        check(&mut report);
    }
    report.found
}

/// Every group of rules, in the order in which an API server applies them.
const CHECKS: &[fn(&mut Report<'_>)] = &[
    metadata::check,
    seccomp::check_annotations,
    apparmor::check_annotations,
    sysctls::check_annotations,
    containers::check,
    security_context::check_containers,
    namespaces::check,
    security_context::check_pod,
    sysctls::check,
    windows::check,
    seccomp::check_agreement,
    apparmor::check_agreement,
];

#[cfg(test)]
mod tests;
