//! What the objects of a profile are made of: words, numbers, lists, and how their mistakes are noted.

use std::borrow::Cow;
use std::fmt::Write as _;

use stockade_abi::Errno;

use super::{Fatal, MAX_ERRORS, Number, Parser, Seen, Segment};
use crate::action::{Action, MAX_ERRNO};
use crate::json::{Kind, Mark};
use crate::profile::error::nearest;
use crate::profile::words::ActionWord;
use crate::profile::{ProfileError, ProfileErrorKind as Wrong};

impl Parser<'_> {
    pub(super) fn action(
        &mut self,
        word: ActionWord,
        number: &Number,
        first: &'static str,
        second: &'static str,
    ) -> Action {
        if let (Some(named), Some(numeric), Some(mark)) =
            (number.named, number.numeric, number.mark)
            && named != numeric
        {
            self.wrong(mark, Wrong::Exclusive { first, second });
        }
        let given = number.named.or(number.numeric);
        let takes_number = matches!(word, ActionWord::Errno | ActionWord::Trace);
        if let (Some(_), Some(mark), false) = (given, number.mark, takes_number) {
            self.wrong(mark, Wrong::NoErrno);
        }
        let given = given.unwrap_or(1);
        match word {
            ActionWord::KillProcess => Action::KillProcess,
            ActionWord::KillThread => Action::KillThread,
            ActionWord::Trap => Action::Trap,
            ActionWord::Errno => Action::Errno(Errno(given)),
            ActionWord::Notify => Action::Notify,
            ActionWord::Trace => Action::Trace(given),
            ActionWord::Log => Action::Log,
            ActionWord::Allow => Action::Allow,
        }
    }

    pub(super) fn errno_number(&mut self) -> Fatal<Option<u16>> {
        Ok(self.integer(u64::from(MAX_ERRNO))?.map(|it| it as u16))
    }

    pub(super) fn errno_name(&mut self) -> Fatal<Option<u16>> {
        let mark = self.reader.mark();
        let Some(name) = self.text()?.filter(|it| !it.is_empty()) else { return Ok(None) };
        let found = Errno::from_name(&name).map(|it| it.0);
        if found.is_none() {
            self.wrong(mark, Wrong::UnknownWord { what: "error", word: name, nearest: None });
        }
        Ok(found)
    }

    /// Reads an object. `each` reads the value of one of `fields`, all else is noted as wrong.
    /// `null` is an object without fields.
    pub(super) fn object(
        &mut self,
        fields: &'static [&'static str],
        mut each: impl FnMut(&mut Self, &'static str, Mark) -> Fatal<()>,
    ) -> Fatal<Option<Seen>> {
        let mark = self.reader.mark();
        let mut seen = Seen { mark, fields, bits: 0 };
        if !self.expect(Kind::Object, "an object")? {
            return Ok(None);
        }
        self.reader.enter_object()?;
        let mut is_first = true;
        let mut others: Vec<String> = Vec::new();
        while let Some((key, mark)) = self.reader.next_key(&mut is_first)? {
            let Some(index) = fields.iter().position(|it| *it == key) else {
                if self.is_full() {
                    self.reader.skip()?;
                    continue;
                }
                let nearest = nearest(&key, fields.iter().copied());
                let name = key.into_owned();
                if others.contains(&name) {
                    self.wrong(mark, Wrong::DuplicateField { name });
                } else {
                    self.wrong(mark, Wrong::UnknownField { name: name.clone(), nearest });
                    others.push(name);
                }
                self.reader.skip()?;
                continue;
            };
            if seen.bits >> index & 1 == 1 {
                self.wrong(mark, Wrong::DuplicateField { name: fields[index].to_owned() });
                self.reader.skip()?;
                continue;
            }
            seen.bits |= 1 << index;
            self.path.push(Segment::Field(fields[index]));
            let value = self.reader.mark();
            if self.reader.kind()? == Kind::Null {
                // Go writes `null` for what is empty.
                self.reader.word()?;
            } else {
                each(self, fields[index], value)?;
            }
            self.path.pop();
        }
        Ok(Some(seen))
    }

    /// Reads an array; elements that `each` finds wrong are left out.
    pub(super) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Fatal<Option<T>>,
    ) -> Fatal<Vec<T>> {
        let mut all = Vec::new();
        if !self.expect(Kind::Array, "an array")? {
            return Ok(all);
        }
        self.reader.enter_array()?;
        let mut is_first = true;
        for index in 0.. {
            if !self.reader.next_element(&mut is_first)? {
                break;
            }
            self.path.push(Segment::Index(index));
            if let Some(one) = each(self)? {
                all.push(one);
            }
            self.path.pop();
        }
        Ok(all)
    }

    pub(super) fn word<T: Copy>(
        &mut self,
        what: &'static str,
        words: &'static [(&'static str, T)],
    ) -> Fatal<Option<T>> {
        let mark = self.reader.mark();
        let Some(text) = self.string()? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() && !self.is_full() {
            let nearest = nearest(&text, words.iter().map(|(word, _)| *word));
            self.wrong(mark, Wrong::UnknownWord { what, word: text.into_owned(), nearest });
        }
        Ok(found)
    }

    pub(super) fn integer(&mut self, limit: u64) -> Fatal<Option<u64>> {
        let mark = self.reader.mark();
        if !self.expect(Kind::Number, "a number")? {
            return Ok(None);
        }
        let text = self.reader.number()?;
        let value = text.parse().ok().filter(|it| *it <= limit);
        if value.is_none() {
            self.wrong(mark, Wrong::OutOfRange { value: text.to_owned(), limit });
        }
        Ok(value)
    }

    pub(super) fn text(&mut self) -> Fatal<Option<String>> {
        Ok(self.string()?.map(Cow::into_owned))
    }

    /// Whether a value of that kind follows; if not, notes it and skips what is there.
    pub(super) fn expect(&mut self, kind: Kind, expected: &'static str) -> Fatal<bool> {
        let mark = self.reader.mark();
        if self.reader.kind()? == kind {
            return Ok(true);
        }
        self.reader.skip()?;
        self.wrong(mark, Wrong::WrongType { expected });
        Ok(false)
    }

    /// Notes a mistake. Past [`MAX_ERRORS`] one more is nothing to anybody, and working out where it
    /// stands would make a hostile text slow.
    pub(super) fn wrong(&mut self, mark: Mark, kind: Wrong) {
        if !self.is_full() {
            let found = (self.reader.place(mark), self.path(), kind);
            self.wrong.push(found);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.wrong.len() >= MAX_ERRORS
    }

    pub(super) fn odd(&mut self, mark: Mark, kind: Wrong) {
        if self.odd.len() < MAX_ERRORS {
            let found = (self.reader.place(mark), self.path(), kind);
            self.odd.push(found);
        }
    }

    pub(super) fn path(&self) -> String {
        let mut out = String::new();
        for (index, segment) in self.path.iter().enumerate() {
            let gap = if index == 0 { "" } else { "." };
            let written = match segment {
                Segment::Field(name) => write!(out, "{gap}{name}"),
                Segment::Index(index) => write!(out, "[{index}]"),
            };
            written.expect("a String takes everything");
        }
        out
    }

    /// What is wrong, in the order of the text.
    pub(super) fn errors(&mut self, file: &str) -> Vec<ProfileError> {
        let mut all = std::mem::take(&mut self.wrong);
        all.sort_by_key(|(place, ..)| *place);
        all.truncate(MAX_ERRORS);
        all.into_iter()
            .map(|(place, path, kind)| ProfileError { file: file.to_owned(), place, path, kind })
            .collect()
    }
}

impl<'a> Parser<'a> {
    pub(super) fn string(&mut self) -> Fatal<Option<Cow<'a, str>>> {
        if let Some(text) = self.reader.simple_string() {
            return Ok(Some(Cow::Borrowed(text)));
        }
        if !self.expect(Kind::String, "a string")? {
            return Ok(None);
        }
        self.reader.string().map(Some)
    }
}
