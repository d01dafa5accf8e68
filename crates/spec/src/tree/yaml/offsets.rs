//! From the parser's character counts to bytes of the whole file.

use saphyr_parser::Span;

use crate::source::Bytes;

/// Where each character of a part of a file begins.
#[derive(Debug)]
pub(super) struct Offsets {
    /// Where the part begins in the file.
    base: usize,
    length: usize,
    /// Byte offsets of the characters. `None` where each has one byte.
    starts: Option<Vec<u32>>,
}

impl Offsets {
    pub(super) fn new(text: &str, base: usize) -> Self {
        let starts = (!text.is_ascii()).then(|| {
            // Files are capped far below 4 GiB.
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        });
        Self { base, length: text.len(), starts }
    }

    pub(super) fn byte(&self, character: usize) -> usize {
        let inside = match &self.starts {
            None => character.min(self.length),
            Some(starts) => starts.get(character).map_or(self.length, |at| *at as usize),
        };
        self.base + inside
    }

    pub(super) fn bytes(&self, span: Span) -> Bytes {
        Bytes::new(self.byte(span.start.index())..self.byte(span.end.index()))
    }
}
