//! A profile as it stands in a file, in any of its forms: JSON, a `SeccompProfile` object as YAML or
//! JSON, an OCI artifact.
//!
//! The engine reads JSON. Where the file has another form, places in that JSON lead back to places of
//! the file here.

use std::fmt;
use std::path::Path;

use stockade_image::read_profile_artifact;
use stockade_seccomp::Place;
use stockade_spec::{FieldPath, Position, ProfileObject, Span, read_profile_object};

use crate::answer::{Answer, Failure};
use crate::diagnostics::{Diagnostic, Texts, Weight};
use crate::inputs;
use crate::ui::{Ui, plain};

/// What stands in a file.
#[derive(Debug)]
pub(super) struct Written {
    /// The file as the user named it.
    pub(super) file: String,
    /// As it stands there; empty for what has no text.
    pub(super) text: String,
    /// What it says beside the profile, if it is an object of a cluster.
    pub(super) object: Option<ProfileObject>,
    /// Whether the text is a file's own.
    pub(super) kept: Kept,
}

/// Where a text is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kept {
    /// It is all of the file.
    Plainly,
    /// In an OCI artifact.
    InArtifact,
}

/// Reads a file. An object that is not well-formed is drawn beside its lines.
pub(super) fn open(path: &Path, ui: &mut Ui) -> Result<Written, Failure> {
    let (inputs::Text { file, text }, kept) = match artifact(path)? {
        Some(text) => (text, Kept::InArtifact),
        None => (inputs::read_one(path)?, Kept::Plainly),
    };
    let object = read_profile_object(&file, &text).transpose().map_err(|mistakes| {
        let mut texts = Texts::default();
        texts.insert(&file, &text);
        texts.tell(&mistakes.iter().map(Diagnostic::from).collect::<Vec<_>>(), ui);
        Failure::Said(Answer::WrongQuestion)
    })?;
    Ok(Written { file, text, object, kept })
}

/// The profile in an OCI artifact, if the path is one.
fn artifact(path: &Path) -> Result<Option<inputs::Text>, Failure> {
    // Standard input can be read only once.
    if !path.is_file() && !path.is_dir() || path == Path::new("/dev/stdin") {
        return Ok(None);
    }
    let Some(bytes) = read_profile_artifact(path)? else { return Ok(None) };
    let file = path.display().to_string();
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::question(format!("the profile in {} is not UTF-8", plain(&file))))?;
    Ok(Some(inputs::Text { file, text }))
}

impl Written {
    /// What has a name and no text.
    pub(super) fn nowhere(name: &str) -> Self {
        let (file, text) = (name.to_owned(), String::new());
        Self { file, text, object: None, kept: Kept::Plainly }
    }

    /// The profile as JSON.
    pub(super) fn json(&self) -> &str {
        self.object.as_ref().map_or(&self.text, |it| &it.json)
    }

    /// The place in the file that a place in the JSON is.
    pub(super) fn at(&self, inner: Place) -> Place {
        match &self.object {
            Some(object) => place(object.position(inner.line as usize, inner.column as usize)),
            None => inner,
        }
    }

    /// The field in the file that a field of the profile is.
    pub(super) fn path(&self, inner: &str) -> String {
        match &self.object {
            Some(_) if !inner.is_empty() => format!("spec.{inner}"),
            Some(_) | None => inner.to_owned(),
        }
    }

    /// The text, to draw something beside its lines.
    pub(super) fn texts(&self) -> Texts {
        let mut texts = Texts::default();
        texts.insert(&self.file, &self.text);
        texts
    }

    /// Something to be said about a place of the file. `path` is the field, empty if none.
    pub(super) fn diagnostic(
        &self,
        weight: Weight,
        place: Place,
        path: &str,
        what: impl fmt::Display,
        hint: Option<String>,
    ) -> Diagnostic {
        let what = if path.is_empty() { what.to_string() } else { format!("{path}: {what}") };
        let place = stockade_spec::Place {
            path: FieldPath::from(path),
            file: self.file.as_str().into(),
            span: span(&self.text, place),
        };
        Diagnostic { weight, reason: None, what, place: Some(place), label: None, why: None, hint }
    }
}

/// The place of a profile that is this position of a text.
pub(super) fn place(position: Position) -> Place {
    let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    Place { line: number(position.line), column: number(position.column) }
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
