//! From text to a [`Profile`], collecting mistakes.
//!
//! One function per object of the format. A mistake in the syntax ends the reading, every other is
//! noted and skipped over.

use stockade_abi::syscalls::Syscall;
use stockade_abi::{Capability, CapabilitySet};

use super::words::{self, OperatorWord};
use super::{
    ArchitectureList, Listed, Name, Parsed, Place, Profile, ProfileError,
    ProfileErrorKind as Wrong, ProfileRule, ProfileWarning, Selector, nearest_syscall,
};
use crate::action::Action;
use crate::condition::{Condition, Operator};
use crate::json::{Kind, Mark, Reader, SyntaxError};

mod pieces;

pub(super) fn parse(file: &str, text: &str) -> Result<Parsed, Vec<ProfileError>> {
    let syntax = |error: SyntaxError| ProfileError {
        file: file.to_owned(),
        place: error.place,
        path: String::new(),
        kind: Wrong::Syntax(error.what),
    };
    let reader = Reader::new(text).map_err(|error| vec![syntax(error)])?;
    let mut parser = Parser {
        reader,
        path: Vec::new(),
        wrong: Vec::new(),
        odd: Vec::new(),
        unknown: Vec::new(),
        rule_unknown: 0,
        tests: 0,
    };
    let profile = match parser.profile().and_then(|profile| parser.reader.end().map(|()| profile)) {
        Ok(profile) => profile,
        Err(error) => {
            let mut errors = parser.errors(file);
            errors.push(syntax(error));
            return Err(errors);
        }
    };
    match profile {
        Some(profile) if parser.wrong.is_empty() => {
            let warn =
                |(place, path, kind)| ProfileWarning { file: file.to_owned(), place, path, kind };
            Ok(Parsed { profile, warnings: parser.odd.into_iter().map(warn).collect() })
        }
        _ => Err(parser.errors(file)),
    }
}

type Found = (Place, String, Wrong);
type Fatal<T> = Result<T, SyntaxError>;

struct Parser<'a> {
    reader: Reader<'a>,
    path: Vec<Segment>,
    wrong: Vec<Found>,
    odd: Vec<Found>,
    /// Unknown names, until it is known whether their rule tightens.
    unknown: Vec<Unknown>,
    /// Where those of the rule that is being read begin.
    rule_unknown: usize,
    /// Conditions, once for each name that they stand for.
    tests: usize,
}

struct Unknown {
    /// How permissive its rule is; `None` if that has a mistake of its own.
    rule: Option<u8>,
    place: Place,
    path: String,
    name: String,
}

#[derive(Clone, Copy)]
enum Segment {
    Field(&'static str),
    Index(usize),
}

/// Which of an object's fields stood there, one bit each.
struct Seen {
    mark: Mark,
    fields: &'static [&'static str],
    bits: u32,
}

impl Seen {
    fn has(&self, field: &str) -> bool {
        let index = self.fields.iter().position(|it| *it == field);
        index.is_some_and(|it| self.bits >> it & 1 == 1)
    }
}

impl Parser<'_> {
    fn profile(&mut self) -> Fatal<Option<Profile>> {
        let mut default = None;
        let mut number = Number::default();
        let (mut listed, mut map) = (Vec::new(), Vec::new());
        let mut flags = Vec::new();
        let (mut listener_path, mut listener_metadata) = (None, None);
        let mut rules = Vec::new();
        let seen = self.object(PROFILE, |it, field, mark| {
            match field {
                "defaultAction" => default = it.word("action", words::ACTIONS)?,
                "defaultErrnoRet" => number.numeric = it.errno_number()?,
                "defaultErrno" => number.named = it.errno_name()?,
                "architectures" => listed = it.architectures(words::ARCHITECTURES)?,
                "archMap" => map = it.architecture_map()?,
                "flags" => flags = it.list(|it| it.word("flag", words::FLAGS))?,
                "listenerPath" => listener_path = it.text()?,
                "listenerMetadata" => listener_metadata = it.text()?,
                "syscalls" => rules = it.rules()?,
                _ => unreachable!("not in the list of fields"),
            }
            number.mark = if field.starts_with("defaultErrno") { Some(mark) } else { number.mark };
            Ok(())
        })?;
        let Some(seen) = seen else { return Ok(None) };
        let Some(word) = default else {
            if !seen.has("defaultAction") {
                self.wrong(seen.mark, Wrong::MissingField { name: "defaultAction" });
            }
            return Ok(None);
        };
        if !listed.is_empty() && !map.is_empty() {
            self.wrong(seen.mark, Wrong::Exclusive { first: "architectures", second: "archMap" });
        }
        let default_action = self.action(word, &number, "defaultErrno", "defaultErrnoRet");
        self.judge_unknown(default_action);
        let asks =
            default_action == Action::Notify || rules.iter().any(|it| it.action == Action::Notify);
        if asks && listener_path.is_none() {
            let place = self.reader.place(seen.mark);
            self.odd.push((place, "listenerPath".to_owned(), Wrong::NoListener));
        }
        let architectures = match (listed.is_empty(), map.is_empty()) {
            (false, _) => ArchitectureList::Listed(listed),
            (true, false) => ArchitectureList::Map(map),
            (true, true) => ArchitectureList::Native,
        };
        Ok(Some(Profile {
            default_action,
            architectures,
            flags,
            listener_path,
            listener_metadata,
            rules,
        }))
    }

    fn architecture_map(&mut self) -> Fatal<Vec<(Listed, Vec<Listed>)>> {
        self.list(|it| {
            let (mut key, mut subordinate) = (None, Vec::new());
            let seen = it.object(&["architecture", "subArchitectures"], |it, field, _| {
                match field {
                    "architecture" => key = it.word("architecture", words::ARCHITECTURES)?,
                    _ => subordinate = it.architectures(words::ARCHITECTURES)?,
                }
                Ok(())
            })?;
            if let Some(seen) = seen.filter(|it| !it.has("architecture")) {
                it.wrong(seen.mark, Wrong::MissingField { name: "architecture" });
            }
            Ok(key.map(|key| (key, subordinate)))
        })
    }

    fn architectures(&mut self, names: &'static [(&'static str, Listed)]) -> Fatal<Vec<Listed>> {
        self.list(|it| it.word("architecture", names))
    }

    fn rules(&mut self) -> Fatal<Vec<ProfileRule>> {
        self.list(|it| {
            it.rule_unknown = it.unknown.len();
            let rule = it.rule()?;
            it.settle_unknown(rule.as_ref().map(|it| it.action.permissiveness()));
            Ok(rule)
        })
    }

    fn rule(&mut self) -> Fatal<Option<ProfileRule>> {
        let mut names = Vec::new();
        let mut word = None;
        let mut number = Number::default();
        let mut conditions = Vec::new();
        let (mut includes, mut excludes) = (Selector::default(), Selector::default());
        let mut comment = None;
        let before = self.wrong.len();
        let seen = self.object(RULE, |it, field, mark| {
            match field {
                "name" => names.extend(it.name()?),
                "names" => names = it.names()?,
                "action" => word = it.word("action", words::ACTIONS)?,
                "errnoRet" => number.numeric = it.errno_number()?,
                "errno" => number.named = it.errno_name()?,
                "args" => conditions = it.list(Self::condition)?,
                "includes" => includes = it.selector()?,
                "excludes" => excludes = it.selector()?,
                "comment" => comment = it.text()?.filter(|it| !it.is_empty()),
                _ => unreachable!("not in the list of fields"),
            }
            number.mark = if field.starts_with("errno") { Some(mark) } else { number.mark };
            Ok(())
        })?;
        let Some(seen) = seen else { return Ok(None) };
        match (seen.has("name"), seen.has("names")) {
            (true, true) => {
                self.wrong(seen.mark, Wrong::Exclusive { first: "name", second: "names" })
            }
            // A mistake may be why there is none.
            _ if names.is_empty() && self.wrong.len() == before => {
                self.wrong(seen.mark, Wrong::NoNames);
            }
            _ => {}
        }
        if !seen.has("action") {
            self.wrong(seen.mark, Wrong::MissingField { name: "action" });
        }
        let before = self.tests;
        self.tests = before.saturating_add(names.len().saturating_mul(conditions.len()));
        if before <= MAX_TESTS && self.tests > MAX_TESTS {
            self.wrong(seen.mark, Wrong::TooManyConditions { limit: MAX_TESTS });
        }
        let Some(word) = word else { return Ok(None) };
        let action = self.action(word, &number, "errno", "errnoRet");
        let place = self.reader.place(seen.mark);
        Ok(Some(ProfileRule { place, names, action, conditions, includes, excludes, comment }))
    }

    fn condition(&mut self) -> Fatal<Option<Condition>> {
        let (mut argument, mut word, mut value, mut second) = (None, None, None, None);
        let seen = self.object(&["index", "value", "valueTwo", "op"], |it, field, _| {
            match field {
                "index" => argument = it.integer(5)?,
                "value" => value = it.integer(u64::MAX)?,
                "valueTwo" => second = it.integer(u64::MAX)?,
                _ => word = it.word("operator", words::OPERATORS)?,
            }
            Ok(())
        })?;
        let Some(seen) = seen else { return Ok(None) };
        for name in ["index", "value", "op"] {
            if !seen.has(name) {
                self.wrong(seen.mark, Wrong::MissingField { name });
            }
        }
        let (Some(argument), Some(word), Some(value)) = (argument, word, value) else {
            return Ok(None);
        };
        if let Some(second) = second.filter(|it| *it != 0 && word != OperatorWord::MaskedEqual) {
            self.odd(seen.mark, Wrong::UnusedValue { value: second });
        }
        let operator = match word {
            OperatorWord::NotEqual => Operator::NotEqual(value),
            OperatorWord::Less => Operator::Less(value),
            OperatorWord::LessOrEqual => Operator::LessOrEqual(value),
            OperatorWord::Equal => Operator::Equal(value),
            OperatorWord::GreaterOrEqual => Operator::GreaterOrEqual(value),
            OperatorWord::Greater => Operator::Greater(value),
            OperatorWord::MaskedEqual => {
                let (mask, value) = (value, second.unwrap_or(0));
                if value & !mask != 0 {
                    self.odd(seen.mark, Wrong::OutsideMask { value, mask });
                }
                Operator::MaskedEqual { mask, value }
            }
        };
        Ok(Some(Condition { argument: argument as u8, operator }))
    }

    fn selector(&mut self) -> Fatal<Selector> {
        let mut selector = Selector::default();
        self.object(&["arches", "caps", "minKernel"], |it, field, mark| {
            match field {
                "arches" => selector.architectures = it.architectures(words::GO_ARCHITECTURES)?,
                "caps" => {
                    let all = it.list(Self::capability)?;
                    selector.capabilities = all.into_iter().collect::<CapabilitySet>();
                }
                _ => {
                    let Some(text) = it.text()? else { return Ok(()) };
                    let version = text.split_once('.');
                    selector.min_kernel = version.and_then(|(major, minor)| {
                        Some((major.parse().ok()?, minor.parse().ok()?))
                    });
                    if selector.min_kernel.is_none() {
                        it.wrong(mark, Wrong::BadKernelVersion { value: text });
                    }
                }
            }
            Ok(())
        })?;
        Ok(selector)
    }

    fn capability(&mut self) -> Fatal<Option<Capability>> {
        let mark = self.reader.mark();
        let Some(text) = self.string()? else { return Ok(None) };
        let known = text
            .strip_prefix("CAP_")
            .and_then(|bare| Capability::ALL.iter().copied().find(|it| it.name() == bare));
        if known.is_none() {
            let word = text.into_owned();
            self.wrong(mark, Wrong::UnknownWord { what: "capability", word, nearest: None });
        }
        Ok(known)
    }

    /// The bulk of every profile: what is as expected is read without ceremony.
    fn names(&mut self) -> Fatal<Vec<Name>> {
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
            let mark = self.reader.mark();
            let text = self.reader.simple_string();
            if let Some(known) = text.and_then(Syscall::named) {
                all.push(Name::Known(known));
                continue;
            }
            self.path.push(Segment::Index(index));
            let name = match text {
                Some(text) => Some(self.unknown(mark, text)),
                None => self.name()?,
            };
            all.extend(name);
            self.path.pop();
        }
        Ok(all)
    }

    fn name(&mut self) -> Fatal<Option<Name>> {
        let mark = self.reader.mark();
        let Some(text) = self.string()? else { return Ok(None) };
        let known = Syscall::named(&text).map(Name::Known);
        Ok(Some(known.unwrap_or_else(|| self.unknown(mark, &text))))
    }

    /// More of one rule than are ever told are not kept: they all have the same weight.
    fn unknown(&mut self, mark: Mark, name: &str) -> Name {
        if self.unknown.len() - self.rule_unknown < MAX_ERRORS {
            let (place, path) = (self.reader.place(mark), self.path());
            self.unknown.push(Unknown { rule: None, place, path, name: name.to_owned() });
        }
        Name::Unknown(name.into())
    }

    /// The rule is read; of all rules that are as permissive, no more names are kept than are told.
    fn settle_unknown(&mut self, rule: Option<u8>) {
        let earlier = self.unknown[..self.rule_unknown].iter();
        let room = MAX_ERRORS.saturating_sub(earlier.filter(|it| it.rule == rule).count());
        self.unknown.truncate(self.rule_unknown.saturating_add(room));
        for unknown in &mut self.unknown[self.rule_unknown..] {
            unknown.rule = rule;
        }
    }

    /// An unknown name is an error where the rule tightens: it would not take effect.
    fn judge_unknown(&mut self, default: Action) {
        for Unknown { rule, place, path, name } in std::mem::take(&mut self.unknown) {
            let tightens = rule.is_none_or(|it| it < default.permissiveness());
            let list = if tightens { &mut self.wrong } else { &mut self.odd };
            if list.len() < MAX_ERRORS {
                let nearest = nearest_syscall(&name);
                list.push((place, path, Wrong::UnknownSyscall { name, nearest }));
            }
        }
    }
}

/// An error number as it was given: by number, by name or both.
#[derive(Default)]
struct Number {
    numeric: Option<u16>,
    named: Option<u16>,
    mark: Option<Mark>,
}

/// More mistakes than anybody reads.
const MAX_ERRORS: usize = 100;

/// More conditions than fit into a filter: each is an instruction at least, and the kernel takes 4096.
/// Twice as many, since some may be left out for a machine or be the same ones again.
const MAX_TESTS: usize = 8192;

const PROFILE: &[&str] = &[
    "defaultAction",
    "defaultErrnoRet",
    "defaultErrno",
    "architectures",
    "archMap",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "syscalls",
];

const RULE: &[&str] =
    &["name", "names", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes"];
