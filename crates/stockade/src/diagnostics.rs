//! Mistakes, refusals and warnings, drawn beside the line of the manifest that they are about.
//!
//! Knows how a person reads them, and not how they come about.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use stockade_confine::{Origin, Refusal, Warning};
use stockade_spec::{ManifestError, Place, Severity};

use crate::ui::{Ui, is_unfit, plain};

/// Something to be told about a manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Diagnostic {
    /// How bad it is.
    pub(crate) weight: Weight,
    /// The word that Kubernetes uses for it.
    pub(crate) reason: Option<String>,
    /// A sentence without full stop.
    pub(crate) what: String,
    /// What it is about.
    pub(crate) place: Option<Place>,
    /// What the drawing says below the place.
    pub(crate) label: Option<String>,
    /// Why it matters, where that is not plain.
    pub(crate) why: Option<String>,
    /// What to do about it, if we know.
    pub(crate) hint: Option<String>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weight {
    /// A fact worth knowing.
    Note,
    /// It stops nothing.
    Warning,
    /// The pod does not run.
    Error,
}

impl Diagnostic {
    /// A refusal under a word of the kubelet's that only the edge can find.
    pub(crate) fn refusal(reason: &str, place: Place, what: impl ToString) -> Self {
        Self {
            weight: Weight::Error,
            reason: Some(reason.to_owned()),
            what: what.to_string(),
            label: label(&place),
            place: Some(place),
            why: None,
            hint: None,
        }
    }
}

impl From<&ManifestError> for Diagnostic {
    fn from(mistake: &ManifestError) -> Self {
        Self {
            weight: match mistake.severity {
                Severity::Warning => Weight::Warning,
                Severity::Error => Weight::Error,
            },
            reason: None,
            // Its own words begin with the field.
            what: mistake.to_string(),
            place: Some(mistake.place.clone()),
            label: None,
            why: None,
            hint: mistake.hint(),
        }
    }
}

impl From<&Refusal> for Diagnostic {
    fn from(refusal: &Refusal) -> Self {
        let mut diagnostic =
            Self::refusal(&refusal.reason.to_string(), refusal.place.clone(), &refusal.why);
        diagnostic.hint = refusal.hint.clone();
        diagnostic
    }
}

impl From<&Warning> for Diagnostic {
    fn from(warning: &Warning) -> Self {
        let place = warning.origin.place().cloned();
        let what = match (&warning.origin, &place) {
            (Origin::Declared(_) | Origin::Annotation(_), Some(place)) => {
                format!("{}: {}", place.path, warning.what)
            }
            (origin, _) => format!("{origin}: {}", warning.what),
        };
        Self {
            weight: Weight::Warning,
            reason: None,
            what,
            place,
            label: None,
            why: None,
            hint: None,
        }
    }
}

fn label(place: &Place) -> Option<String> {
    (!place.path.is_root()).then(|| place.path.to_string())
}

/// The texts that places are in, by the name of their file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(BTreeMap<String, String>);

impl Texts {
    /// Adds a file.
    pub(crate) fn insert(&mut self, file: &str, text: &str) {
        self.0.insert(file.to_owned(), text.to_owned());
    }

    /// Draws a diagnostic. The text has colours; a [`Ui`] takes them out where they are not wanted.
    pub(crate) fn draw(&self, diagnostic: &Diagnostic, columns: Option<usize>) -> String {
        self.draw_with(diagnostic, Renderer::styled().term_width(columns.unwrap_or(OFF_TERMINAL)))
    }

    /// Draws diagnostics to standard error.
    pub(crate) fn tell(&self, all: &[Diagnostic], ui: &mut Ui) {
        let columns = ui.error_columns();
        for diagnostic in all {
            ui.err(&(self.draw(diagnostic, columns) + "\n\n"));
        }
    }

    fn draw_with(&self, diagnostic: &Diagnostic, renderer: Renderer) -> String {
        let level = match diagnostic.weight {
            Weight::Note => Level::NOTE,
            Weight::Warning => Level::WARNING,
            Weight::Error => Level::ERROR,
        };
        let what = plain(&diagnostic.what);
        let title = match &diagnostic.reason {
            Some(reason) => format!("{reason}: {what}"),
            None => what.into_owned(),
        };
        let why = diagnostic.why.as_deref().map(|it| plain(it).into_owned());
        let hint = diagnostic.hint.as_deref().map(|it| plain(it).into_owned());
        let label = diagnostic.label.as_deref().map(|it| plain(it).into_owned());
        let file = diagnostic.place.as_ref().map(|it| plain(&it.file).into_owned());

        let mut group = Group::with_title(level.primary_title(title));
        let place = diagnostic.place.as_ref();
        if let Some((place, file)) = place.zip(file.as_deref()) {
            let excerpt = place.span.and_then(|span| {
                let text = self.0.get(&*place.file)?;
                excerpt(text, span.bytes(), span.start.line)
            });
            match excerpt {
                Some(Excerpt { text, range, line }) => {
                    let mark = AnnotationKind::Primary.span(range).label(label.as_deref());
                    let snippet =
                        Snippet::source(text).line_start(line).path(file).annotation(mark);
                    group = group.element(snippet);
                }
                None => {
                    let shown = if place.path.is_root() {
                        format!("in {file}")
                    } else {
                        format!("{} in {file}", plain(place.path.as_str()))
                    };
                    group = group.element(Level::NOTE.message(shown));
                }
            }
        }
        if let Some(why) = &why {
            group = group.element(Level::NOTE.message(why.as_str()));
        }
        if let Some(hint) = &hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }
}

/// The line of a text that a drawing shows, with the marked range in it.
struct Excerpt {
    text: String,
    range: Range<usize>,
    line: usize,
}

/// Cuts the marked line out of its file: a renderer given all of a large file would count through
/// it once for each mistake. Only the first line of a longer range is marked.
fn excerpt(text: &str, range: Range<usize>, line: usize) -> Option<Excerpt> {
    let before = text.get(..range.start)?;
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    let end = text.get(range.start..)?.find('\n').map_or(text.len(), |it| range.start + it);
    let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
    let first = range.start.min(end);
    let last = range.end.min(end).max(first);

    let mut shown = visible(text.get(start..first)?);
    let first_shown = shown.len();
    shown.push_str(&visible(text.get(first..last)?));
    let last_shown = shown.len();
    shown.push_str(&visible(text.get(last..end)?));
    Some(Excerpt { text: shown, range: first_shown..last_shown, line })
}

/// The text without what the renderer lets through: it makes the ASCII control characters visible,
/// but some terminals obey those from U+0080 on, too. One character for each, as the marks count.
fn visible(text: &str) -> String {
    text.chars().map(|it| if !it.is_ascii() && is_unfit(it) { '\u{fffd}' } else { it }).collect()
}

/// Columns for readers that have none.
const OFF_TERMINAL: usize = 140;

#[cfg(test)]
mod tests;
