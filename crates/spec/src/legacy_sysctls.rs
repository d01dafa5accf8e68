//! Kernel parameters as annotations said them from 1.4 to 1.10:
//! `name=value,name=value`.
//!
//! Read by nobody since 1.11, where the field `securityContext.sysctls` took over.
//!
//! Source: Kubernetes 1.10 `pkg/apis/core/v1/helper`, `SysctlsFromPodAnnotation`.

use thiserror::Error;

/// The annotation for parameters that every node allows.
pub const SAFE: &str = "security.alpha.kubernetes.io/sysctls";

/// The annotation for parameters that a node must allow by name.
pub const UNSAFE: &str = "security.alpha.kubernetes.io/unsafe-sysctls";

/// One parameter of an annotation. The value may contain blanks and `=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LegacySysctl<'a> {
    /// `kernel.msgmax`.
    pub name: &'a str,
    /// As written.
    pub value: &'a str,
}

/// A part of an annotation that is no `name=value`.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("sysctl {0:?} not of the format sysctl_name=value")]
pub struct NotAPair(pub String);

/// Reads an annotation's value. An empty one says nothing.
///
/// # Errors
///
/// The first part without a name or without `=`.
pub fn parse(text: &str) -> Result<Vec<LegacySysctl<'_>>, NotAPair> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(LegacySysctl { name, value }),
            _ => Err(NotAPair(pair.to_owned())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_blanks_and_names_are_needed() {
        for (text, expected) in [
            ("", Ok(vec![])),
            ("kernel.shm_rmid_forced=1", Ok(vec![("kernel.shm_rmid_forced", "1")])),
            (
                "net.ipv4.route.min_pmtu=1000,kernel.msgmax=1 2 3",
                Ok(vec![("net.ipv4.route.min_pmtu", "1000"), ("kernel.msgmax", "1 2 3")]),
            ),
            ("a=b=c", Ok(vec![("a", "b=c")])),
            ("a=", Ok(vec![("a", "")])),
            ("a", Err("a")),
            ("=1", Err("=1")),
            ("a=1,", Err("")),
        ] {
            let pairs = |it: Vec<LegacySysctl<'static>>| {
                it.iter().map(|it| (it.name, it.value)).collect::<Vec<_>>()
            };
            let expected = expected.map_err(|it| NotAPair(it.to_owned()));
            assert_eq!(parse(text).map(pairs), expected, "{text}");
        }
    }
}
