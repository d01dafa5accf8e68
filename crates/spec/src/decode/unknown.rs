//! Fields that a type does not know: what they were meant to be, and whether
//! the manifest may be used in spite of them.
//!
//! | an unknown field | is |
//! |---|---|
//! | in a security object (`securityContext`, `seccompProfile`, `capabilities` …) | an error |
//! | anywhere, spelled like a known one but for case (`Privileged`) | an error: some readers fold case |
//! | anywhere, one typing mistake away from a field that decides about security | an error |
//! | anywhere, with the name of a security field that belongs elsewhere (`privileged` in a container) | an error |
//! | anywhere else | a warning |
//! | in a bundle | an error |

use crate::manifest_error::{Meant, Severity};
use crate::tree::Entry;

/// How unknown fields are judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Strictness {
    /// A pod: by what they may have been meant to be.
    Security,
    /// A bundle: all are errors.
    Everything,
}

/// The type in which a field was looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) name: &'static str,
    pub(super) fields: &'static [&'static str],
}

/// A field and the type that does not have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown<'a> {
    pub(super) entry: &'a Entry,
    pub(super) owner: Owner,
}

impl Unknown<'_> {
    pub(super) fn judge(&self, strictness: Strictness) -> (Option<Meant>, Severity) {
        let name = self.entry.key.as_str();
        let same = self.owner.fields.iter().find(|field| folded(field) == folded(name));
        if let Some(field) = same {
            return (Some(Meant::Field((*field).to_owned())), Severity::Error);
        }
        let is_pod = strictness == Strictness::Security;
        let elsewhere = if is_pod { elsewhere(name, self.owner.name) } else { None };
        if let Some(object) = elsewhere {
            return (Some(Meant::Elsewhere(object)), Severity::Error);
        }
        let nearest = nearest(name, self.owner.fields);
        let is_error = !is_pod
            || SECURITY_OBJECTS.contains(&self.owner.name)
            || nearest.is_some_and(|field| SECURITY_FIELDS.contains(&field));
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        (nearest.map(|field| Meant::Field(field.to_owned())), severity)
    }
}

/// The object to which the security field `name` belongs, if that is not
/// `owner`.
fn elsewhere(name: &str, owner: &str) -> Option<&'static str> {
    ELSEWHERE
        .iter()
        .find(|(_, types, names)| {
            !types.contains(&owner) && names.iter().any(|it| folded(it) == folded(name))
        })
        .filter(|_| BEARERS.contains(&owner))
        .map(|(object, ..)| *object)
}

/// As Go's JSON decoder folds names: two letters outside ASCII have ASCII
/// letters as their other case.
fn folded(name: &str) -> String {
    name.replace('ſ', "s").replace('\u{212a}', "k").to_ascii_lowercase()
}

/// The field that is the fewest typing mistakes away, if they are few.
fn nearest(name: &str, fields: &[&'static str]) -> Option<&'static str> {
    let allowed = (name.chars().count() / 3).min(3);
    fields
        .iter()
        .map(|field| (distance(&folded(name), &folded(field)), *field))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, field)| field)
}

/// Insertions, deletions and substitutions from one text to the other.
fn distance(left: &str, right: &str) -> usize {
    if left.len().abs_diff(right.len()) > LONGEST_SLIP {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

/// Lengths that differ by more are no typing mistake.
const LONGEST_SLIP: usize = 4;

/// The types of which no field may be overlooked.
const SECURITY_OBJECTS: &[&str] = &[
    "AppArmorProfile",
    "Capabilities",
    "PodSecurityContext",
    "SELinuxOptions",
    "SeccompProfile",
    "SecurityContext",
    "Sysctl",
    "WindowsSecurityContextOptions",
];

/// Fields elsewhere that decide about confinement.
const SECURITY_FIELDS: &[&str] = &[
    "automountServiceAccountToken",
    "containers",
    "ephemeralContainers",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "initContainers",
    "readOnly",
    "runtimeClassName",
    "securityContext",
    "shareProcessNamespace",
];

/// The types in which authors put fields of a security context by mistake.
const BEARERS: &[&str] =
    &["Container", "EphemeralContainer", "PodSecurityContext", "PodSpec", "SecurityContext"];

/// Security fields by the object that has them, and the types that know them.
const ELSEWHERE: &[(&str, &[&str], &[&str])] = &[
    (
        "a container's `securityContext`",
        &["SecurityContext"],
        &[
            "allowPrivilegeEscalation",
            "capabilities",
            "privileged",
            "procMount",
            "readOnlyRootFilesystem",
        ],
    ),
    (
        "the pod's `spec.securityContext`",
        &["PodSecurityContext"],
        &[
            "fsGroup",
            "fsGroupChangePolicy",
            "supplementalGroups",
            "supplementalGroupsPolicy",
            "sysctls",
        ],
    ),
    (
        "a `securityContext`",
        &["PodSecurityContext", "SecurityContext"],
        &[
            "appArmorProfile",
            "runAsGroup",
            "runAsNonRoot",
            "runAsUser",
            "seLinuxOptions",
            "seccompProfile",
        ],
    ),
    (
        "the pod's `spec`",
        &["PodSpec"],
        &["hostIPC", "hostNetwork", "hostPID", "hostUsers", "shareProcessNamespace"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_field() {
        let fields: &[&'static str] = &["runAsUser", "runAsGroup", "privileged", "hostPID"];
        for (name, expected) in [
            ("runAsUsr", Some("runAsUser")),
            ("priviledged", Some("privileged")),
            ("hostPDI", Some("hostPID")),
            ("hostname", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, fields), expected, "{name}");
        }
    }

    #[test]
    fn names_are_folded_as_go_folds_them() {
        assert_eq!(folded("privilegeſ\u{212a}"), folded("PRIVILEGESK"));
    }
}
