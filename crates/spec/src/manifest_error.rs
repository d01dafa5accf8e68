//! What can be wrong with a manifest, and what to do about it.
//!
//! The wording of the kinds from [`ManifestErrorKind::Invalid`] on is that of
//! an API server, so that what people know, search for and test against stays
//! the same. The hint is a separate function, so that machine-readable output
//! can carry it as a field of its own.

use thiserror::Error;

use crate::place::Place;

/// One mistake in a manifest.
///
/// Parsing collects these and goes on, so that an author sees all mistakes at
/// once.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{}", self.message())]
pub struct ManifestError {
    /// The field and its place in the file.
    pub place: Place,
    /// What is wrong with it.
    pub kind: ManifestErrorKind,
    /// Whether the manifest can be used in spite of it.
    pub severity: Severity,
}

impl ManifestError {
    /// A mistake that makes the manifest unusable.
    pub(crate) fn error(place: Place, kind: ManifestErrorKind) -> Self {
        Self { place, kind, severity: Severity::Error }
    }

    /// The next thing the author should try, if we know it.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }

    /// Says whether the manifest must not be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn message(&self) -> String {
        if self.place.path.is_root() {
            self.kind.to_string()
        } else {
            format!("{}: {}", self.place.path, self.kind)
        }
    }
}

/// Whether a manifest can be used in spite of a mistake.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// It can: nothing about security is said here.
    Warning,
    /// It cannot.
    Error,
}

/// The ways in which a manifest can be wrong.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ManifestErrorKind {
    /// The text is neither YAML nor JSON.
    #[error("{0}")]
    Syntax(String),

    /// The text is larger, deeper or more often repeated than any manifest.
    /// Parsing stops, so that a hostile file costs little.
    #[error("too much: a manifest may have at most {most} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: usize,
    },

    /// There is nothing in the file.
    #[error("no object in this file")]
    Empty,

    /// A key that is written twice. Kubernetes takes the last one; a person
    /// who reads the file sees the first.
    #[error("`{name}` is set twice, first in line {first_line}; the last one counts")]
    DuplicateKey {
        /// The key.
        name: String,
        /// Where it was set before.
        first_line: usize,
    },

    /// A merge key after a key that it also sets. YAML lets the written key
    /// win, kubectl the merged one.
    #[error("`<<` after `{name}` sets `{name}` too, and readers differ in which one counts")]
    AmbiguousMerge {
        /// The key.
        name: String,
    },

    /// A construct of YAML that manifests cannot contain.
    #[error("{0}")]
    NotJson(String),

    /// A field that we do not know. To skip one in a security context could
    /// mean to run a pod with less confinement than its author asked for.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The field as written.
        name: String,
        /// What it was probably meant to be.
        meant: Option<Meant>,
    },

    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What the field takes.
        expected: String,
        /// What is written there.
        found: String,
    },

    /// A value of the right type that the field cannot hold.
    #[error("{0}")]
    BadValue(String),

    /// A field that cannot be left out.
    #[error("missing field `{name}`")]
    MissingField {
        /// The field.
        name: String,
    },

    /// More mistakes than are shown at a time.
    #[error("there are more mistakes than are told here")]
    More,

    /// A value that Kubernetes does not accept.
    #[error("Invalid value: {}{detail}", .value.as_ref().map(|it| format!("{it}: ")).unwrap_or_default())]
    Invalid {
        /// The value, as Go prints it. `None` for whole objects.
        value: Option<String>,
        /// Why.
        detail: String,
    },

    /// A field that Kubernetes wants to be set.
    #[error("Required value{}", detail_after_colon(.detail))]
    Required {
        /// Why, if that is not obvious.
        detail: String,
    },

    /// A field that Kubernetes does not want to be set.
    #[error("Forbidden: {detail}")]
    Forbidden {
        /// Why.
        detail: String,
    },

    /// A word that is not in a field's vocabulary.
    #[error("Unsupported value: {value:?}: supported values: {}", quoted(.supported))]
    NotSupported {
        /// The word.
        value: String,
        /// The vocabulary.
        supported: &'static [&'static str],
    },

    /// The same name for two things.
    #[error("Duplicate value: {value:?}")]
    Duplicate {
        /// The name.
        value: String,
    },

    /// A text longer than allowed.
    #[error("Too long: {detail}")]
    TooLong {
        /// The limit.
        detail: String,
    },

    /// A reference to something that is not in the manifest.
    #[error("Not found: {value:?}")]
    NotFound {
        /// The name.
        value: String,
    },
}

/// What an unknown field was probably meant to be.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Meant {
    /// A known field of the same object.
    Field(String),
    /// The same field of another object, which this says.
    Elsewhere(&'static str),
}

impl ManifestErrorKind {
    /// The next thing the author should try, if we know it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownField { meant: Some(Meant::Field(name)), .. } => {
                Some(format!("did you mean `{name}`?"))
            }
            Self::UnknownField { name, meant: Some(Meant::Elsewhere(object)) } => {
                Some(format!("`{name}` is a field of {object}"))
            }
            Self::Syntax(message) if message.contains("tab") => {
                Some("indent with spaces".to_owned())
            }
            Self::WrongType { expected, found } => type_hint(expected, found),
            Self::DuplicateKey { .. } => Some("remove one of them".to_owned()),
            Self::AmbiguousMerge { .. } => {
                Some("put `<<` before the keys of the same mapping".to_owned())
            }
            Self::UnknownField { meant: None, .. }
            | Self::Syntax(_)
            | Self::TooMuch { .. }
            | Self::Empty
            | Self::NotJson(_)
            | Self::BadValue(_)
            | Self::MissingField { .. }
            | Self::More
            | Self::Invalid { .. }
            | Self::Required { .. }
            | Self::Forbidden { .. }
            | Self::NotSupported { .. }
            | Self::Duplicate { .. }
            | Self::TooLong { .. }
            | Self::NotFound { .. } => None,
        }
    }

    /// The API server's name for this kind (`FieldValueInvalid`), if it has
    /// one.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { .. } => Some("FieldValueInvalid"),
            Self::Required { .. } => Some("FieldValueRequired"),
            Self::Forbidden { .. } => Some("FieldValueForbidden"),
            Self::NotSupported { .. } => Some("FieldValueNotSupported"),
            Self::Duplicate { .. } => Some("FieldValueDuplicate"),
            Self::TooLong { .. } => Some("FieldValueTooLong"),
            Self::NotFound { .. } => Some("FieldValueNotFound"),
            Self::WrongType { .. } => Some("FieldValueTypeInvalid"),
            Self::Syntax(_)
            | Self::TooMuch { .. }
            | Self::Empty
            | Self::DuplicateKey { .. }
            | Self::AmbiguousMerge { .. }
            | Self::NotJson(_)
            | Self::UnknownField { .. }
            | Self::BadValue(_)
            | Self::MissingField { .. }
            | Self::More => None,
        }
    }
}

impl ManifestErrorKind {
    /// The field that is missing, if that is what is wrong.
    pub(crate) fn missing_field(&self) -> Option<&str> {
        if let Self::MissingField { name } = self { Some(name) } else { None }
    }

    /// Fills in what was found, if a type is what is wrong.
    pub(crate) fn but_found(self, describe: impl FnOnce() -> String) -> Self {
        if let Self::WrongType { expected, .. } = self {
            Self::WrongType { expected, found: describe() }
        } else {
            self
        }
    }
}

/// `yes` and `0644` are the classics: the author meant a word, YAML a value.
fn type_hint(expected: &str, found: &str) -> Option<String> {
    let is_plain = ["the boolean", "the number"].iter().any(|it| found.starts_with(it));
    if expected.contains("string") && is_plain {
        return Some("put it in quotes".to_owned());
    }
    let text = found.strip_prefix("the string \"")?.strip_suffix('"')?;
    let is_meant = (expected.contains("boolean") && matches!(text, "true" | "false"))
        || (expected.contains("number") && text.parse::<f64>().is_ok());
    is_meant.then(|| "write it without quotes".to_owned())
}

fn detail_after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_as_an_api_server_writes_them() {
        let invalid = |value: Option<&str>| ManifestErrorKind::Invalid {
            value: value.map(str::to_owned),
            detail: "must be a relative path".into(),
        };
        for (kind, expected) in [
            (invalid(Some("\"/x\"")), "Invalid value: \"/x\": must be a relative path"),
            (invalid(None), "Invalid value: must be a relative path"),
            (ManifestErrorKind::Required { detail: String::new() }, "Required value"),
            (ManifestErrorKind::Required { detail: "x".into() }, "Required value: x"),
            (
                ManifestErrorKind::NotSupported { value: "x".into(), supported: &["A", "B"] },
                "Unsupported value: \"x\": supported values: \"A\", \"B\"",
            ),
            (ManifestErrorKind::Duplicate { value: "c".into() }, "Duplicate value: \"c\""),
        ] {
            assert_eq!(kind.to_string(), expected);
        }
    }

    #[test]
    fn a_word_that_yaml_takes_for_a_value_is_to_be_quoted() {
        for (expected, found, hint) in [
            ("a string", "the boolean `yes`", Some("put it in quotes")),
            ("a string", "the number `0644`", Some("put it in quotes")),
            ("a string", "a list", None),
            ("a boolean", "the string \"true\"", Some("write it without quotes")),
            ("a whole number", "the string \"80\"", Some("write it without quotes")),
            ("a whole number", "the string \"80x\"", None),
            ("a list", "the string \"x\"", None),
        ] {
            let kind =
                ManifestErrorKind::WrongType { expected: expected.into(), found: found.into() };
            assert_eq!(kind.hint().as_deref(), hint, "{expected} {found}");
        }
    }
}
