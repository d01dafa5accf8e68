//! Where something is said: a field's path and its place in the file.
//!
//! A [`Place`] travels with a value through the whole product, from the parser
//! into a plan and from there into the kernel's errors, so that `EINVAL` can be
//! answered with a line of YAML. It is cheap to clone for that reason.
//!
//! Knows nothing of YAML, Kubernetes or bundles.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The path of a field as Kubernetes writes it:
/// `spec.containers[0].securityContext.runAsUser`,
/// `metadata.annotations[example.com/key]`. The empty path is the document.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FieldPath(Arc<str>);

impl FieldPath {
    /// The path of the document itself.
    pub fn root() -> Self {
        Self("".into())
    }

    /// Returns the path of the field `name` of this object. A `name` may be a
    /// chain (`securityContext.runAsUser`).
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.is_root() { Self(name.into()) } else { Self(format!("{self}.{name}").into()) }
    }

    /// Returns the path of an element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{self}[{index}]").into())
    }

    /// Returns the path of the value under `key` of this map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{self}[{key}]").into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether this is the path of the document itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether this path is `outer` or lies inside it.
    pub fn is_within(&self, outer: &Self) -> bool {
        match self.0.strip_prefix(&*outer.0) {
            None => false,
            Some(rest) => outer.is_root() || rest.is_empty() || rest.starts_with(['.', '[']),
        }
    }
}

impl From<&str> for FieldPath {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for FieldPath {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point in a text, as editors count it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A stretch of a text.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// The character after its last.
    pub end: Position,
    /// The offset of its first byte in the whole file.
    pub first_byte: usize,
    /// The offset after its last byte.
    pub end_byte: usize,
}

impl Span {
    /// The bytes of the stretch, in the whole file. Always on character
    /// boundaries.
    pub fn bytes(&self) -> Range<usize> {
        self.first_byte..self.end_byte
    }
}

/// A field and where it is written.
///
/// Places are ordered as they appear in their file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    /// The field.
    pub path: FieldPath,
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// The stretch of the file. `None` if the object was not read from text.
    pub span: Option<Span>,
}

impl Place {
    /// Returns the same stretch under another path.
    #[must_use]
    pub fn named(self, path: FieldPath) -> Self {
        Self { path, ..self }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.file, self.span, &self.path).cmp(&(&other.file, other.span, &other.path))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.is_root(), &self.span) {
            (true, None) => write!(f, "{}", self.file),
            (true, Some(span)) => write!(f, "{}:{}", self.file, span.start),
            (false, None) => write!(f, "{} in {}", self.path, self.file),
            (false, Some(span)) => write!(f, "{} at {}:{}", self.path, self.file, span.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_kubernetes_writes_them() {
        let spec = FieldPath::root().child("spec");
        let container = spec.child("containers").index(0);
        let annotations = FieldPath::from("metadata").child("annotations");
        for (path, expected) in [
            (FieldPath::root(), ""),
            (spec.clone(), "spec"),
            (
                container.child("securityContext.runAsUser"),
                "spec.containers[0].securityContext.runAsUser",
            ),
            (annotations.key("example.com/x"), "metadata.annotations[example.com/x]"),
        ] {
            assert_eq!(path.as_str(), expected);
        }
    }

    #[test]
    fn a_path_is_within_its_ancestors_and_not_within_look_alikes() {
        for (path, outer, expected) in [
            ("spec.containers[0].name", "spec.containers[0]", true),
            ("spec.containers[0]", "spec.containers[0]", true),
            ("spec.containers[10]", "spec.containers[1]", false),
            ("spec.hostIPC", "spec.host", false),
            ("spec", "", true),
            ("spec", "spec.containers", false),
        ] {
            assert_eq!(FieldPath::from(path).is_within(&outer.into()), expected, "{path} {outer}");
        }
    }

    #[test]
    fn a_place_reads_as_an_address() {
        let span = Span {
            start: Position { line: 31, column: 7 },
            end: Position { line: 31, column: 9 },
            first_byte: 400,
            end_byte: 402,
        };
        let place = |path: &str, span| Place { path: path.into(), file: "pod.yaml".into(), span };
        for (place, expected) in [
            (place("spec.hostPID", Some(span)), "spec.hostPID at pod.yaml:31:7"),
            (place("spec.hostPID", None), "spec.hostPID in pod.yaml"),
            (place("", Some(span)), "pod.yaml:31:7"),
            (place("", None), "pod.yaml"),
        ] {
            assert_eq!(place.to_string(), expected);
        }
    }
}
