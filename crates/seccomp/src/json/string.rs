//! Strings with escapes, and strings with mistakes.

use std::borrow::Cow;

use super::{Reader, Result};

impl<'a> Reader<'a> {
    #[cold]
    pub(super) fn odd_string(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"', "expected a string")?;
        self.escaped(self.at).map(Cow::Owned)
    }

    fn escaped(&mut self, start: usize) -> Result<String> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let run = self.at;
            self.run();
            out.push_str(&self.text[run..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.error("control character in a string")),
                None => return Err(self.error("the text ends within a string")),
            }
        }
    }

    /// Goes over what stands for itself in a string.
    fn run(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let ends = |it: &u8| ENDS_RUN[usize::from(*it)];
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char> {
        let Some(sign) = self.peek() else {
            return Err(self.error("the text ends within a string"));
        };
        let simple = match sign {
            b'"' | b'\\' | b'/' => char::from(sign),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.error("unknown escape")),
        };
        self.at += 1;
        Ok(simple)
    }

    fn unicode(&mut self) -> Result<char> {
        let first = self.hex()?;
        let code = if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            self.at += 1;
            let second = self.hex()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.error("half a surrogate pair"));
            }
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.error("half a surrogate pair"))
    }

    /// Four hexadecimal digits after the `u` at the reader's place.
    fn hex(&mut self) -> Result<u32> {
        let digits = self
            .text
            .get(self.at + 1..self.at + 5)
            .filter(|it| it.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|it| u32::from_str_radix(it, 16).ok()) {
            Some(code) => {
                self.at += 5;
                Ok(code)
            }
            None => Err(self.error("expected four hexadecimal digits")),
        }
    }
}

/// The bytes that do not stand for themselves in a string.
pub(super) static ENDS_RUN: [bool; 256] = {
    let mut ends = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        ends[control] = true;
        control += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};
