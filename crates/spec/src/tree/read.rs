//! From a text to its documents.

use super::limits::{Budget, MOST_BYTES, MOST_DOCUMENTS, too_much};
use super::split::{Chunk, split};
use super::{Document, Flaw, Node, Value, json, yaml};
use crate::manifest_error::ManifestErrorKind;
use crate::source::{Bytes, Source};

/// Reads every document of a file of YAML or JSON. Documents without content
/// (comments only) are left out.
pub(crate) fn read_documents(source: &Source) -> Vec<Document> {
    if let Some(document) = refuse_size(source) {
        return vec![document];
    }
    let mut budget = Budget::new();
    let mut documents = Vec::new();
    for chunk in split(&source.text) {
        if documents.len() >= MOST_DOCUMENTS {
            let kind = too_much("documents", MOST_DOCUMENTS);
            documents.push(broken(Flaw { bytes: Bytes::at(chunk.bytes.start), kind }));
            return documents;
        }
        documents.extend(read_chunk(source, chunk, &mut budget));
    }
    documents
}

/// Reads a file that is one JSON value. The object at the end of the keys `unread` is left to
/// somebody else and comes out empty; no keys leave nothing.
pub(crate) fn read_json(source: &Source, unread: &'static [&'static str]) -> Document {
    if let Some(document) = refuse_size(source) {
        return document;
    }
    let mut reader = json::Reader::new(source, 0, source.text.len()).without(unread);
    let value = reader.value(&mut Budget::new());
    match value.and_then(|root| reader.end().map(|()| root)) {
        Ok(root) => Document { root: Some(root), flaws: reader.flaws },
        Err(flaw) => broken(flaw),
    }
}

fn read_chunk(source: &Source, chunk: Chunk, budget: &mut Budget) -> Vec<Document> {
    let Chunk { bytes, flaw } = chunk;
    if let Some(kind) = flaw {
        return vec![broken(Flaw { bytes: Bytes::at(bytes.start.saturating_sub(1)), kind })];
    }
    let text = &source.text[bytes.clone()];
    if text.trim().is_empty() {
        return Vec::new();
    }
    let json_flaw = if text.trim_start().starts_with('{') {
        match read_json_stream(source, bytes.clone(), budget) {
            Ok(documents) => return documents,
            Err(flaw @ Flaw { kind: ManifestErrorKind::TooMuch { .. }, .. }) => {
                return vec![broken(flaw)];
            }
            Err(flaw) => Some(flaw),
        }
    } else {
        None
    };
    let mut flaws = Vec::new();
    match yaml::read(source, bytes, budget, &mut flaws) {
        Ok(None) => Vec::new(),
        Ok(Some(Node { value: Value::Null, .. })) => Vec::new(),
        Ok(root) => vec![Document { root, flaws }],
        Err(flaw) => {
            // Braces can begin either language; quotes make JSON likelier.
            let inside = text.trim_start().strip_prefix('{').unwrap_or_default();
            let looks_like_json = inside.trim_start().starts_with('"');
            let flaw = json_flaw.filter(|_| looks_like_json).unwrap_or(flaw);
            flaws.push(flaw);
            vec![Document { root: None, flaws }]
        }
    }
}

/// Reads objects that follow each other without separators.
fn read_json_stream(
    source: &Source,
    bytes: std::ops::Range<usize>,
    budget: &mut Budget,
) -> Result<Vec<Document>, Flaw> {
    let mut reader = json::Reader::new(source, bytes.start, bytes.end);
    let mut documents = Vec::new();
    while !reader.is_at_end() {
        let root = reader.value(budget)?;
        let flaws = std::mem::take(&mut reader.flaws);
        documents.push(Document { root: Some(root), flaws });
    }
    Ok(documents)
}

fn refuse_size(source: &Source) -> Option<Document> {
    let kind = || ManifestErrorKind::TooMuch { what: "bytes", most: MOST_BYTES };
    let is_too_large = source.text.len() > MOST_BYTES;
    is_too_large.then(|| broken(Flaw { bytes: Bytes::at(0), kind: kind() }))
}

fn broken(flaw: Flaw) -> Document {
    Document { root: None, flaws: vec![flaw] }
}
