//! Profiles as they are named on a command line.

use std::fmt;
use std::path::{Path, PathBuf};

use stockade_seccomp::{Place, Profile, ProfileErrorKind, Rules, Target, default_profile, resolve};
use stockade_spec::{FieldPath, Position, Span};

use crate::answer::{Answer, Failure};
use crate::diagnostics::{Diagnostic, Texts, Weight};
use crate::inputs;
use crate::ui::Ui;

/// A profile that was read.
#[derive(Debug)]
pub(super) struct Source {
    /// The file as the user named it, [`RUNTIME_DEFAULT`] for our own.
    pub(super) file: String,
    /// As it stands in the file; empty for our own.
    pub(super) text: String,
    /// What it says.
    pub(super) profile: Profile,
}

/// Reads a profile. Its mistakes and what is odd about it are drawn beside its lines.
pub(super) fn read(path: &Path, ui: &mut Ui) -> Result<Source, Failure> {
    if path.as_os_str() == RUNTIME_DEFAULT {
        let file = RUNTIME_DEFAULT.to_owned();
        return Ok(Source { file, text: String::new(), profile: default_profile() });
    }
    let inputs::Text { file, text } = inputs::read_one(path)?;
    let mut texts = Texts::default();
    texts.insert(&file, &text);
    let draw = |weight, place, path: &str, kind: &ProfileErrorKind| {
        diagnostic(weight, &file, &text, place, path, kind, kind.hint())
    };
    match Profile::parse(&file, &text) {
        Ok(parsed) => {
            let odd = parsed.warnings.iter();
            let all: Vec<_> =
                odd.map(|it| draw(Weight::Warning, it.place, &it.path, &it.kind)).collect();
            texts.tell(&all, ui);
            Ok(Source { file, text, profile: parsed.profile })
        }
        Err(mistakes) => {
            let all: Vec<_> = mistakes
                .iter()
                .map(|it| draw(Weight::Error, it.place, &it.path, &it.kind))
                .collect();
            texts.tell(&all, ui);
            Err(Failure::Said(Answer::WrongQuestion))
        }
    }
}

impl Source {
    /// The file's text, to draw something beside its lines.
    pub(super) fn texts(&self) -> Texts {
        let mut texts = Texts::default();
        texts.insert(&self.file, &self.text);
        texts
    }

    /// What the profile means on a machine. Its contradictions are drawn beside its lines.
    pub(super) fn rules(&self, target: &Target, ui: &mut Ui) -> Result<Rules, Failure> {
        resolve(&self.profile, target).map_err(|contradictions| {
            let all: Vec<_> = contradictions
                .iter()
                .map(|it| self.diagnostic(Weight::Error, it.second, "", it, None))
                .collect();
            self.texts().tell(&all, ui);
            Failure::Said(Answer::WrongQuestion)
        })
    }

    /// Something to be said about a place of the profile. `path` is the field, empty if none.
    pub(super) fn diagnostic(
        &self,
        weight: Weight,
        place: Place,
        path: &str,
        what: impl fmt::Display,
        hint: Option<String>,
    ) -> Diagnostic {
        diagnostic(weight, &self.file, &self.text, place, path, what, hint)
    }
}

/// The same for a text that may be no profile.
pub(super) fn diagnostic(
    weight: Weight,
    file: &str,
    text: &str,
    place: Place,
    path: &str,
    what: impl fmt::Display,
    hint: Option<String>,
) -> Diagnostic {
    let what = if path.is_empty() { what.to_string() } else { format!("{path}: {what}") };
    let place = stockade_spec::Place {
        path: FieldPath::from(path),
        file: file.into(),
        span: span(text, place),
    };
    Diagnostic { weight, reason: None, what, place: Some(place), label: None, why: None, hint }
}

/// The token at a place: a string, a number, a word, or the bracket that begins something larger.
fn span(text: &str, place: Place) -> Option<Span> {
    let line = usize::try_from(place.line).ok()?;
    let column = usize::try_from(place.column).ok()?;
    let content = text.split_inclusive('\n').nth(line.checked_sub(1)?)?;
    let line_start = content.as_ptr().addr() - text.as_ptr().addr();
    let skipped = column.checked_sub(1)?;
    let offset = content.char_indices().nth(skipped).map_or(content.len(), |(at, _)| at);
    let rest = content.get(offset..)?;
    let length = match rest.chars().next() {
        Some('"') => {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, it)| {
                let is_end = *it == '"' && !escaped;
                escaped = *it == '\\' && !escaped;
                is_end
            });
            end.map_or(rest.trim_end().len(), |(at, _)| at + 1)
        }
        Some('{' | '[' | '}' | ']' | ',' | ':') => 1,
        Some(_) => rest.find(|it: char| ",:]}\r\n\t ".contains(it)).unwrap_or(rest.len()),
        None => 0,
    };
    let first_byte = line_start + offset;
    let width = text.get(first_byte..first_byte + length)?.chars().count();
    Some(Span {
        start: Position { line, column },
        end: Position { line, column: column + width },
        first_byte,
        end_byte: first_byte + length,
    })
}

/// The argument that names a profile.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct File {
    /// Profile: a file, `-`, or `RuntimeDefault` for the built-in one
    #[arg(value_name = "PROFILE")]
    pub(super) profile: PathBuf,
}

/// The name under which our own profile is known.
pub(super) const RUNTIME_DEFAULT: &str = "RuntimeDefault";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_stretch_is_the_token_at_the_place() {
        let text = "{\"a\": \"é\\\"x\", \"n\": 12}\n  [tru\n";
        for (line, column, marked) in [
            (1, 1, Some("{")),
            (1, 2, Some("\"a\"")),
            (1, 7, Some("\"é\\\"x\"")),
            (1, 20, Some("12")),
            (2, 3, Some("[")),
            (2, 4, Some("tru")),
            (3, 1, None),
            (0, 0, None),
        ] {
            let found = span(text, Place { line, column }).map(|it| &text[it.bytes()]);
            assert_eq!(found, marked, "{line}:{column}");
        }
    }
}
