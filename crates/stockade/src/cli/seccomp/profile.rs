//! Profiles as they are named on a command line.

use std::fmt;
use std::path::{Path, PathBuf};

use stockade_image::read_profile_artifact;
use stockade_seccomp::{Place, Profile, ProfileErrorKind, Rules, Target, default_profile, resolve};
use stockade_spec::{FieldPath, Position, ProfileObject, Span, read_profile_object};

use crate::answer::{Answer, Failure};
use crate::diagnostics::{Diagnostic, Texts, Weight};
use crate::inputs;
use crate::ui::{Ui, plain};

/// A profile that was read.
#[derive(Debug)]
pub(super) struct Source {
    /// The file as the user named it, [`RUNTIME_DEFAULT`] for our own.
    pub(super) file: String,
    /// As it stands in the file; empty for our own.
    pub(super) text: String,
    /// What it says.
    pub(super) profile: Profile,
    /// What it says beside that, if it is an object of a cluster.
    pub(super) object: Option<ProfileObject>,
}

/// Reads a profile in any of its forms: JSON, a `SeccompProfile` as YAML or JSON, an OCI artifact. Its
/// mistakes and what is odd about it are drawn beside its lines.
pub(super) fn read(path: &Path, ui: &mut Ui) -> Result<Source, Failure> {
    if path.as_os_str() == RUNTIME_DEFAULT {
        let file = RUNTIME_DEFAULT.to_owned();
        let (text, profile) = (String::new(), default_profile());
        return Ok(Source { file, text, profile, object: None });
    }
    let inputs::Text { file, text } = match artifact(path)? {
        Some(text) => text,
        None => inputs::read_one(path)?,
    };
    let mut texts = Texts::default();
    texts.insert(&file, &text);
    let object = match read_profile_object(&file, &text) {
        None => None,
        Some(Ok(object)) => Some(object),
        Some(Err(mistakes)) => {
            texts.tell(&mistakes.iter().map(Diagnostic::from).collect::<Vec<_>>(), ui);
            return Err(Failure::Said(Answer::WrongQuestion));
        }
    };
    // A place in the JSON that an object stands for is one in its own text.
    let at = |it: Place| match &object {
        Some(object) => place(object.position(it.line as usize, it.column as usize)),
        None => it,
    };
    let prefix = if object.is_some() { "spec." } else { "" };
    let draw = |weight, place, path: &str, kind: &ProfileErrorKind| {
        let path = if path.is_empty() { String::new() } else { format!("{prefix}{path}") };
        diagnostic(weight, &file, &text, at(place), &path, kind, kind.hint())
    };
    match Profile::parse(&file, object.as_ref().map_or(&text, |it| &it.json)) {
        Ok(parsed) => {
            let odd = parsed.warnings.iter();
            let mut all: Vec<_> =
                odd.map(|it| draw(Weight::Warning, it.place, &it.path, &it.kind)).collect();
            let base = object.as_ref().and_then(|it| it.base_profile.as_ref());
            all.extend(base.map(|(name, position)| {
                let what = format!("`{name}` is not here; this is the profile without it");
                let (at, path) = (place(*position), "spec.baseProfileName");
                diagnostic(Weight::Warning, &file, &text, at, path, what, None)
            }));
            texts.tell(&all, ui);
            let mut profile = parsed.profile;
            for rule in &mut profile.rules {
                rule.place = at(rule.place);
            }
            Ok(Source { file, text, profile, object })
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

/// The place of a profile that is this position of a text.
pub(super) fn place(position: Position) -> Place {
    let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    Place { line: number(position.line), column: number(position.column) }
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
