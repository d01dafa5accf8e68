//! A file's text with its line table: from byte offsets to lines and columns.
//!
//! The tree keeps byte ranges only; lines and columns are worked out for the
//! few places that are shown. (A table of columns would cost more than parsing,
//! and walking a line for each node is quadratic in a one-line JSON file.)

use std::ops::Range;
use std::sync::Arc;

use crate::place::{FieldPath, Place, Position, Span};

/// A stretch of a file in bytes. Files are capped far below 4 GiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bytes {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Bytes {
    pub(crate) fn new(range: Range<usize>) -> Self {
        let clamp = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(range.start), end: clamp(range.end.max(range.start)) }
    }

    pub(crate) fn at(offset: usize) -> Self {
        Self::new(offset..offset)
    }
}

/// A text and the name under which the user knows it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: Arc<str>,
    pub(crate) text: String,
    line_starts: Vec<usize>,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        // Lines are short: looking at each byte costs less than starting a search at each of them.
        let mut line_starts = Vec::with_capacity(text.len() / 16 + 1);
        line_starts.push(0);
        for (at, byte) in text.as_bytes().iter().enumerate() {
            if *byte == b'\n' {
                line_starts.push(at + 1);
            }
        }
        Self { file: file.into(), text: text.to_owned(), line_starts }
    }

    pub(crate) fn place(&self, path: FieldPath, bytes: Bytes) -> Place {
        Place { path, file: self.file.clone(), span: Some(self.span(bytes)) }
    }

    pub(crate) fn span(&self, bytes: Bytes) -> Span {
        let first_byte = self.boundary(bytes.start as usize);
        let end_byte = self.boundary(bytes.end as usize).max(first_byte);
        Span {
            start: self.position(first_byte),
            end: self.position(end_byte),
            first_byte,
            end_byte,
        }
    }

    /// The text at `bytes`. Costs nothing, other than a span's columns.
    pub(crate) fn written(&self, bytes: Bytes) -> &str {
        let start = self.boundary(bytes.start as usize);
        &self.text[start..self.boundary(bytes.end as usize).max(start)]
    }

    pub(crate) fn line(&self, byte: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= byte as usize)
    }

    fn position(&self, byte: usize) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= byte);
        let start = self.line_starts[line - 1];
        // An editor does not show a byte order mark as a column.
        let shown = self.text[start..byte].trim_start_matches('\u{feff}');
        Position { line, column: shown.chars().count() + 1 }
    }

    /// The last character boundary that is not after `byte`: a span may end at
    /// the edge of what a parser knew, but never panics a renderer.
    fn boundary(&self, byte: usize) -> usize {
        self.text.floor_char_boundary(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_line_feeds() {
        let source = Source::new("x", "\u{feff}é: ü\r\nb: c\n");
        for (byte, expected) in [
            (0, (1, 1)),
            (3, (1, 1)),
            (5, (1, 2)),
            (7, (1, 4)),
            (8, (1, 4)),
            (11, (2, 1)),
            (14, (2, 4)),
            (16, (3, 1)),
            (99, (3, 1)),
        ] {
            let start = source.span(Bytes::at(byte)).start;
            assert_eq!((start.line, start.column), expected, "byte {byte}");
        }
    }
}
