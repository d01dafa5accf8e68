//! A JSON reader that knows where it is.
//!
//! Pull style: the caller asks for what it expects and gets it, or learns what stands there
//! instead. Nothing is built for the caller, so a profile is read without a tree in between. Line
//! and column are counted in characters, from 1. Depth and size are bounded.
//!
//! Source: RFC 8259.

use std::borrow::Cow;
use std::fmt;

mod string;

use string::ENDS_RUN;

/// The largest text that is read.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting that is read. A profile needs five.
const MAX_DEPTH: u32 = 32;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    /// `5:12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Text that is not JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) place: Place,
    pub(crate) what: &'static str,
}

/// What stands at the reader's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// An offset into the text; becomes a [`Place`] when somebody wants to see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    at: usize,
    line: u32,
    line_start: usize,
}

pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    depth: u32,
    /// The last place that was asked for and its column, so that in a text of one line the next
    /// one is not counted from its beginning.
    counted: (Mark, u32),
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self> {
        let counted = (Mark { at: 0, line: 1, line_start: 0 }, 1);
        let reader = Self { text, at: 0, line: 1, line_start: 0, depth: 0, counted };
        if text.len() > MAX_BYTES {
            return Err(reader.error("larger than 1 MiB"));
        }
        Ok(reader)
    }

    /// The place of the next value, key or sign.
    #[inline]
    pub(crate) fn mark(&mut self) -> Mark {
        self.skip_blank();
        Mark { at: self.at, line: self.line, line_start: self.line_start }
    }

    pub(crate) fn place(&mut self, mark: Mark) -> Place {
        let (known, column) = self.counted;
        let goes_on = known.line == mark.line && known.at <= mark.at;
        let (from, column) = if goes_on { (known.at, column) } else { (mark.line_start, 1) };
        let place = self.place_from(mark, from, column);
        self.counted = (mark, place.column);
        place
    }

    /// What kind of value comes next.
    #[inline]
    pub(crate) fn kind(&mut self) -> Result<Kind> {
        self.skip_blank();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value is expected")),
        }
    }

    /// Enters an object; [`Reader::next_key`] goes through it.
    pub(crate) fn enter_object(&mut self) -> Result<()> {
        self.expect(b'{', "expected `{`")?;
        self.deeper()
    }

    /// The next key of an object, up to its value; `None` at its end. `is_first` belongs to the
    /// object and starts as true.
    pub(crate) fn next_key(&mut self, is_first: &mut bool) -> Result<Option<(Cow<'a, str>, Mark)>> {
        if !self.goes_on(b'}', is_first, "expected `,` or `}`")? {
            return Ok(None);
        }
        let mark = self.mark();
        let key = match self.simple_string() {
            Some(key) => Cow::Borrowed(key),
            None if self.peek() == Some(b'"') => self.odd_string()?,
            None => return Err(self.error("expected a key in double quotes")),
        };
        self.expect(b':', "expected `:`")?;
        Ok(Some((key, mark)))
    }

    /// Enters an array; [`Reader::next_element`] goes through it.
    pub(crate) fn enter_array(&mut self) -> Result<()> {
        self.expect(b'[', "expected `[`")?;
        self.deeper()
    }

    /// Whether another element follows; leaves the array at its end.
    #[inline]
    pub(crate) fn next_element(&mut self, is_first: &mut bool) -> Result<bool> {
        self.goes_on(b']', is_first, "expected `,` or `]`")
    }

    /// A string. Borrowed unless it has escapes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        match self.simple_string() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.odd_string(),
        }
    }

    /// A string that has neither escapes nor mistakes; without one, nothing is read. Nearly all
    /// strings are such.
    #[inline]
    pub(crate) fn simple_string(&mut self) -> Option<&'a str> {
        self.skip_blank();
        let rest = self.text.as_bytes().get(self.at..)?.strip_prefix(b"\"")?;
        let length = rest.iter().position(|it| ENDS_RUN[usize::from(*it)])?;
        if rest[length] != b'"' {
            return None;
        }
        let start = self.at + 1;
        self.at = start + length + 1;
        self.text.get(start..start + length)
    }

    /// The text of a number, checked.
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        self.skip_blank();
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.error("expected a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Reads `null`, `true` or `false`.
    pub(crate) fn word(&mut self) -> Result<()> {
        self.skip_blank();
        for word in ["null", "true", "false"] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(());
            }
        }
        Err(self.error("expected a value"))
    }

    /// Reads over a value of any kind.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.kind()? {
            Kind::Object => {
                self.enter_object()?;
                let mut is_first = true;
                while self.next_key(&mut is_first)?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Array => {
                self.enter_array()?;
                let mut is_first = true;
                while self.next_element(&mut is_first)? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::String => self.string().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Boolean | Kind::Null => self.word(),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.skip_blank();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("nothing may follow the value")),
        }
    }

    #[inline]
    fn goes_on(&mut self, close: u8, is_first: &mut bool, what: &'static str) -> Result<bool> {
        self.skip_blank();
        let was_first = std::mem::replace(is_first, false);
        match self.peek() {
            Some(sign) if sign == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !was_first => {
                self.at += 1;
                self.skip_blank();
                match self.peek() {
                    Some(sign) if sign == close => Err(self.error("nothing follows the comma")),
                    _ => Ok(true),
                }
            }
            Some(_) if was_first => Ok(true),
            Some(_) => Err(self.error(what)),
            None => Err(self.error("the text ends here")),
        }
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error("nested too deeply")) } else { Ok(()) }
    }

    #[inline]
    fn expect(&mut self, sign: u8, what: &'static str) -> Result<()> {
        self.skip_blank();
        match self.peek() {
            Some(found) if found == sign => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.error(what)),
            None => Err(self.error("the text ends here")),
        }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<()> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn skip_blank(&mut self) {
        if self.peek().is_some_and(|it| it <= b' ') {
            self.skip_some_blank();
        }
    }

    fn skip_some_blank(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        loop {
            match bytes.get(at) {
                Some(b' ' | b'\t' | b'\r') => at += 1,
                Some(b'\n') => {
                    at += 1;
                    self.line += 1;
                    self.line_start = at;
                }
                _ => break,
            }
        }
        self.at = at;
    }

    fn place_from(&self, mark: Mark, from: usize, column: u32) -> Place {
        let before = self.text.get(from..mark.at).unwrap_or_default();
        let more = u32::try_from(before.chars().count()).unwrap_or(u32::MAX);
        Place { line: mark.line, column: column.saturating_add(more) }
    }

    fn error(&self, what: &'static str) -> SyntaxError {
        let mark = Mark { at: self.at, line: self.line, line_start: self.line_start };
        SyntaxError { place: self.place_from(mark, mark.line_start, 1), what }
    }
}

#[cfg(test)]
mod tests;
