//! From a file to its documents, before any of them is parsed, so that one
//! broken document does not hide the others.
//!
//! kubectl cuts at every line that begins with `---` and forgets what follows
//! on that line; YAML itself would take it for content. Where the two differ
//! (`--- {kind: Pod}`, `---x: y`) the file is refused rather than read in one of
//! the two ways.

use std::ops::Range;

use crate::manifest_error::ManifestErrorKind;

/// The bytes of one document, without its separator.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Chunk {
    pub(super) bytes: Range<usize>,
    /// What is wrong with the separator before it.
    pub(super) flaw: Option<ManifestErrorKind>,
}

/// Cuts `text` at its document separators.
pub(super) fn split(text: &str) -> Vec<Chunk> {
    // A byte order mark is no content.
    let mut start = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut chunks = Vec::new();
    let mut flaw = None;
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix("---") {
            chunks.push(Chunk { bytes: start..at, flaw: flaw.take() });
            start = at + line.len();
            flaw = separator_flaw(rest);
        }
        at += line.len();
    }
    chunks.push(Chunk { bytes: start..text.len(), flaw });
    chunks
}

fn separator_flaw(rest: &str) -> Option<ManifestErrorKind> {
    let is_cut_off = rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']);
    let content = rest.trim();
    if is_cut_off && (content.is_empty() || content.starts_with('#')) {
        return None;
    }
    Some(ManifestErrorKind::Syntax(
        "content on the line of a document separator, which kubectl ignores; put it on its own line"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_where_kubectl_cuts_them() {
        for (text, expected) in [
            ("", &[""] as &[&str]),
            ("a: 1\n", &["a: 1\n"]),
            ("a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
            ("---\na: 1\n--- # next\nb: 2", &["", "a: 1\n", "b: 2"]),
            ("a: 1\r\n---\r\nb: 2", &["a: 1\r\n", "b: 2"]),
            ("a: 1\n---", &["a: 1\n", ""]),
            ("a: |\n  ---\n", &["a: |\n  ---\n"]),
            ("\u{feff}---\na: 1", &["", "a: 1"]),
        ] {
            let chunks = split(text);
            let found: Vec<&str> = chunks.iter().map(|it| &text[it.bytes.clone()]).collect();
            assert_eq!(found, expected, "{text:?}");
            assert!(chunks.iter().all(|chunk| chunk.flaw.is_none()), "{text:?}");
        }
    }

    #[test]
    fn content_on_a_separator_is_refused() {
        for text in ["--- {a: 1}\n", "---x: y\n", "a: 1\n--- |\n x\n"] {
            assert!(split(text).last().unwrap().flaw.is_some(), "{text:?}");
        }
    }
}
