//! From a tree to a type, with every mistake told and none skipped.
//!
//! A type's own `Deserialize` decides what it takes. A mistake does not end
//! decoding: the node at fault is taken out and the rest is tried again, so
//! that an author sees all mistakes at once. Fields that the type ignores are
//! told as well, with what they were probably meant to be.
//!
//! There is one concrete `Deserializer` for all types: the API's types are
//! compiled once, not once per language.
//!
//! It does not know which fields Kubernetes has; types tell it theirs.

mod deserializer;
mod error;
mod unknown;

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::DeserializeOwned;

use crate::manifest_error::{ManifestError, ManifestErrorKind, Severity};
use crate::place::FieldPath;
use crate::source::{Bytes, Source};
use crate::tree::{Node, Value};

use deserializer::{Context, Decoder};
use error::DecodeError;
pub(crate) use unknown::Strictness;

/// What came of decoding.
#[derive(Debug)]
pub(crate) struct Decoded<T> {
    /// The value, without the nodes at fault. `None` if nothing could be made
    /// of it.
    pub(crate) value: Option<T>,
    pub(crate) findings: Vec<ManifestError>,
}

/// Decodes `root`.
pub(crate) fn decode<T: DeserializeOwned>(
    root: &Node,
    source: &Source,
    strictness: Strictness,
) -> Decoded<T> {
    let mut faults: Vec<Fault<'_>> = Vec::new();
    let mut pruned = HashSet::new();
    loop {
        let context = Context { pruned: &pruned, unknown: RefCell::default() };
        let result = T::deserialize(Decoder::new(root, &context));
        let unknown = context.unknown.into_inner();
        let value = match result {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.at.unwrap_or(root);
                let is_new = pruned.insert(std::ptr::from_ref(at));
                if is_new && !is_consequence(&error, at) {
                    faults.push(Fault { at, kind: error.kind });
                }
                if is_new && !std::ptr::eq(at, root) && faults.len() < MOST_FAULTS {
                    continue;
                }
                None
            }
        };
        let tell = Tell { root, source };
        let is_cut = faults.len() >= MOST_FAULTS || unknown.len() > MOST_UNKNOWN;
        let mut findings: Vec<ManifestError> = tell.faults(faults).collect();
        findings.extend(unknown.iter().take(MOST_UNKNOWN).map(|it| tell.unknown(it, strictness)));
        if is_cut {
            findings.push(tell.at(root, ManifestErrorKind::More));
        }
        return Decoded { value, findings };
    }
}

/// A node that its type does not take.
struct Fault<'a> {
    at: &'a Node,
    kind: ManifestErrorKind,
}

/// A field that is missing only because what is written there was at fault.
fn is_consequence(error: &DecodeError<'_>, at: &Node) -> bool {
    let missing = error.kind.missing_field();
    missing.is_some_and(|name| at.entry(name).is_some())
}

struct Tell<'a> {
    root: &'a Node,
    source: &'a Source,
}

impl Tell<'_> {
    fn faults<'f>(&'f self, faults: Vec<Fault<'f>>) -> impl Iterator<Item = ManifestError> + 'f {
        faults.into_iter().map(|Fault { at, kind }| {
            let kind = kind.but_found(|| at.describe(self.source));
            self.at(at, kind)
        })
    }

    fn unknown(&self, unknown: &unknown::Unknown<'_>, strictness: Strictness) -> ManifestError {
        let (meant, severity) = unknown.judge(strictness);
        let path = self.path(&unknown.entry.value);
        let name = unknown.entry.key.clone();
        let place = self.source.place(path, unknown.entry.key_bytes);
        ManifestError { place, kind: ManifestErrorKind::UnknownField { name, meant }, severity }
    }

    fn at(&self, node: &Node, kind: ManifestErrorKind) -> ManifestError {
        let place = self.source.place(self.path(node), shown(node));
        ManifestError { place, kind, severity: Severity::Error }
    }

    fn path(&self, node: &Node) -> FieldPath {
        self.root.path_of(node).unwrap_or_else(FieldPath::root)
    }
}

/// Of a list or an object only the beginning is shown.
fn shown(node: &Node) -> Bytes {
    match node.value {
        Value::Mapping(_) | Value::Sequence(_) => Bytes::at(node.bytes.start as usize),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::String(_) => node.bytes,
    }
}

/// Wrong values told for one object. Each costs another try.
const MOST_FAULTS: usize = 20;

/// Unknown fields told for one object.
const MOST_UNKNOWN: usize = 50;

#[cfg(test)]
mod tests;
