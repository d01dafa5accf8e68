//! What a type has against a value.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use crate::manifest_error::ManifestErrorKind;
use crate::tree::Node;

/// A refusal, and the node that is refused. The innermost node counts: outer
/// ones only pass the error on.
#[derive(Debug)]
pub(super) struct DecodeError<'a> {
    pub(super) at: Option<&'a Node>,
    pub(super) kind: ManifestErrorKind,
}

impl<'a> DecodeError<'a> {
    pub(super) fn wrong_type(expected: impl Into<String>) -> Self {
        let kind = ManifestErrorKind::WrongType { expected: expected.into(), found: String::new() };
        Self { at: None, kind }
    }

    pub(super) fn or_at(self, node: &'a Node) -> Self {
        Self { at: self.at.or(Some(node)), ..self }
    }

    fn bad_value(message: String) -> Self {
        Self { at: None, kind: ManifestErrorKind::BadValue(message) }
    }
}

impl fmt::Display for DecodeError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for DecodeError<'_> {}

impl Error for DecodeError<'_> {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::bad_value(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong_type(in_words(&expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong_type(in_words(&expected.to_string()))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let known: Vec<String> = expected.iter().map(|word| format!("{word:?}")).collect();
        Self::bad_value(format!("{variant:?} is none of {}", known.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { at: None, kind: ManifestErrorKind::MissingField { name: field.to_owned() } }
    }
}

/// What a visitor says it expects, for people who do not know its language.
fn in_words(expected: &str) -> String {
    match expected {
        "IntOrString" => "a whole number or a string",
        "Quantity" => "a quantity (like 500m or 1Gi)",
        _ => expected,
    }
    .to_owned()
}
