//! JSON as RFC 8259 has it, and nothing else: no comments, no trailing commas,
//! no control characters in strings, no lone surrogates.
//!
//! Not read through the YAML parser, because JSON may indent with tabs and
//! writes characters outside the basic plane as two escapes.

use super::limits::{Budget, check_depth, null_character};
use super::unique::{ComesFrom, Found, unique};
use super::{Entry, Flaw, Node, Value};
use crate::manifest_error::ManifestErrorKind;
use crate::source::{Bytes, Source};

/// A cursor over the part of a file that ends at `end`.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    source: &'a Source,
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// The keys that lead to an object whose inside is not read.
    unread: &'static [&'static str],
    /// How many of them lead to where the reader is.
    followed: usize,
    pub(super) flaws: Vec<Flaw>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source, start: usize, end: usize) -> Self {
        let text = &source.text.as_bytes()[..end];
        Self { source, text, at: start, depth: 0, unread: &[], followed: 0, flaws: Vec::new() }
    }

    /// Leaves the object at the end of these keys to somebody else: it becomes an empty one.
    pub(super) fn without(mut self, keys: &'static [&'static str]) -> Self {
        self.unread = keys;
        self
    }

    /// Says whether nothing but blanks is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.at == self.text.len()
    }

    /// Fails unless nothing but blanks is left.
    pub(super) fn end(&mut self) -> Result<(), Flaw> {
        if self.is_at_end() { Ok(()) } else { Err(self.unexpected("the end of the file")) }
    }

    /// Reads the value that comes next.
    pub(super) fn value(&mut self, budget: &mut Budget) -> Result<Node, Flaw> {
        self.skip_blanks();
        let start = self.at;
        budget.take_node().map_err(|kind| self.flaw(kind))?;
        let value = match self.peek() {
            Some(b'{') => self.nested(budget, Self::object)?,
            Some(b'[') => self.nested(budget, Self::array)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { bytes: Bytes::new(start..self.at), value })
    }

    fn nested(
        &mut self,
        budget: &mut Budget,
        read: fn(&mut Self, &mut Budget) -> Result<Value, Flaw>,
    ) -> Result<Value, Flaw> {
        check_depth(self.depth).map_err(|kind| self.flaw(kind))?;
        self.depth += 1;
        self.at += 1;
        let value = read(self, budget)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self, budget: &mut Budget) -> Result<Value, Flaw> {
        let mut found = Vec::new();
        if !self.eat(b'}') {
            loop {
                self.skip_blanks();
                let start = self.at;
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected("a key in double quotes"));
                }
                let key = self.string()?;
                let key_bytes = Bytes::new(start..self.at);
                if !self.eat(b':') {
                    return Err(self.unexpected("`:`"));
                }
                let value = self.field(&key, budget)?;
                let entry = Entry { key, key_bytes, value };
                found.push(Found { entry, comes_from: ComesFrom::Text });
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(self.unexpected("`,` or `}`"));
                }
            }
        }
        let line_of = |byte| self.source.line(byte);
        Ok(Value::Mapping(unique(found, line_of, &mut self.flaws)))
    }

    /// Reads the value of a field, unless it is the one that is left to somebody else.
    fn field(&mut self, key: &str, budget: &mut Budget) -> Result<Node, Flaw> {
        let leads_on = self.followed + 1 == self.depth
            && self.unread.get(self.followed).is_some_and(|it| *it == key);
        if !leads_on {
            return self.value(budget);
        }
        self.skip_blanks();
        if self.depth == self.unread.len() && self.peek() == Some(b'{') {
            let start = self.at;
            self.skip_object()?;
            let value = Value::Mapping(Vec::new());
            return Ok(Node { bytes: Bytes::new(start..self.at), value });
        }
        self.followed += 1;
        let value = self.value(budget);
        self.followed -= 1;
        value
    }

    /// Goes to the end of an object. Whether its inside is JSON is for its reader to say.
    fn skip_object(&mut self) -> Result<(), Flaw> {
        let mut open = 0_usize;
        let mut rest = self.text[self.at..].iter();
        while let Some(byte) = rest.next() {
            match byte {
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                b'"' => skip_string(&mut rest),
                _ => {}
            }
            if open == 0 {
                self.at = self.text.len() - rest.len();
                return Ok(());
            }
        }
        self.at = self.text.len();
        Err(self.unexpected("`}`"))
    }

    fn array(&mut self, budget: &mut Budget) -> Result<Value, Flaw> {
        let mut items = Vec::new();
        if !self.eat(b']') {
            loop {
                items.push(self.value(budget)?);
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(self.unexpected("`,` or `]`"));
                }
            }
        }
        Ok(Value::Sequence(items))
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let run = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            // Both ends are at ASCII bytes, hence at character boundaries.
            text.push_str(&self.source.text[run..self.at]);
            match self.peek() {
                Some(b'"') if text.contains('\0') => {
                    self.at = start;
                    return Err(self.flaw(null_character()));
                }
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.unexpected("no control character in a string")),
                None => {
                    self.at = start;
                    return Err(self.syntax("a string that does not end"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Flaw> {
        self.at += 1;
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.unexpected("an escape that JSON knows")),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode(&mut self) -> Result<char, Flaw> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff if self.peek() == Some(b'\\') => {
                self.at += 1;
                match self.hex()? {
                    second @ 0xdc00..=0xdfff => {
                        0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(self.syntax("half of a surrogate pair")),
                }
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.syntax("half of a surrogate pair"))
    }

    /// Reads `uXXXX`.
    fn hex(&mut self) -> Result<u32, Flaw> {
        let digits = match self.text.get(self.at..self.at + 5) {
            Some([b'u', digits @ ..]) if digits.iter().all(u8::is_ascii_hexdigit) => digits,
            _ => return Err(self.unexpected("`\\u` and four hexadecimal digits")),
        };
        let value = digits
            .iter()
            .filter_map(|digit| char::from(*digit).to_digit(16))
            .fold(0, |value, digit| value * 16 + digit);
        self.at += 5;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Flaw> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.at;
        let whole = self.digits();
        let mut is_whole = true;
        let is_padded = whole > 1 && self.text[first] == b'0';
        let mut is_number = whole > 0 && !is_padded;
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_number &= self.digits() > 0;
            is_whole = false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            is_number &= self.digits() > 0;
            is_whole = false;
        }
        let text = &self.source.text[start..self.at];
        let value = match (is_number, is_whole) {
            (false, _) => None,
            (true, true) => text
                .parse()
                .map(Value::Int)
                .or_else(|_| text.parse().map(Value::UInt))
                .or_else(|_| text.parse().map(Value::Float))
                .ok(),
            (true, false) => text.parse().map(Value::Float).ok(),
        };
        match value {
            Some(Value::Float(number)) if !number.is_finite() => {
                self.at = start;
                Err(self.syntax("a number that is too large"))
            }
            Some(value) => Ok(value),
            None => {
                self.at = start;
                Err(self.syntax("a number that JSON does not have"))
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self) -> Result<Value, Flaw> {
        for (word, value) in [
            (b"true".as_slice(), Value::Bool(true)),
            (b"false", Value::Bool(false)),
            (b"null", Value::Null),
        ] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("a value"))
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn unexpected(&self, expected: &str) -> Flaw {
        let rest = self.source.text.get(self.at..self.text.len()).unwrap_or_default();
        match rest.chars().next() {
            None => self.syntax(&format!("expected {expected}, found the end of the file")),
            Some(found) => self.syntax(&format!("expected {expected}, found {found:?}")),
        }
    }

    fn syntax(&self, message: &str) -> Flaw {
        self.flaw(ManifestErrorKind::Syntax(format!("not JSON: {message}")))
    }

    fn flaw(&self, kind: ManifestErrorKind) -> Flaw {
        Flaw { bytes: Bytes::at(self.at), kind }
    }
}

/// Goes behind the closing quote, or to the end of the text.
fn skip_string(rest: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = rest.find(|it| matches!(it, b'"' | b'\\')) {
        if *byte == b'"' {
            return;
        }
        rest.next();
    }
}
