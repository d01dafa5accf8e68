//! Standard output and standard error: colours, progress, and nothing that a manifest or an image
//! could have smuggled in.
//!
//! Answers go to standard output, everything about them to standard error. Colours and progress are
//! for terminals. What comes from outside goes through [`plain`] before it is printed: an escape
//! sequence in a name must not rewrite the verdict above it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use stockade_image::Progress;

use crate::answer::{Answer, Failure};
use crate::cli::Color;

/// Where a command speaks.
pub(crate) struct Ui {
    out: AutoStream<io::Stdout>,
    errors: AutoStream<io::Stderr>,
    progress: Line,
}

/// The line that shows progress, which is overwritten again and again.
struct Line {
    shown: Shown,
    last: Option<Instant>,
}

/// Whether progress is shown.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Shown {
    /// Nobody watches.
    Never,
    /// Not at this moment.
    No,
    /// It is in the current line.
    Yes,
}

impl Ui {
    /// Speaks to the standard streams.
    pub(crate) fn new(color: Color) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let shown = if io::stderr().is_terminal() { Shown::No } else { Shown::Never };
        Self {
            out: AutoStream::new(io::stdout(), choice),
            errors: AutoStream::new(io::stderr(), choice),
            progress: Line { shown, last: None },
        }
    }

    /// Prints a part of the answer: text of our own, which may have colours. Ends its last line.
    ///
    /// # Errors
    ///
    /// If nobody takes it. That a reader went away is no failure of ours and ends the command in
    /// silence.
    pub(crate) fn out(&mut self, text: &str) -> Result<(), Failure> {
        self.clear();
        let end = line_end(text);
        let written = write!(self.out, "{text}{end}").and_then(|()| self.out.flush());
        written.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::Said(Answer::Yes)
            } else {
                Failure::unanswered(format!("cannot write to standard output: {error}"))
            }
        })
    }

    /// Prints something about the answer: text of our own, which may have colours. Ends its last
    /// line.
    pub(crate) fn err(&mut self, text: &str) {
        self.clear();
        // There is nowhere left to complain.
        let end = line_end(text);
        drop(write!(self.errors, "{text}{end}"));
    }

    /// Says what went wrong.
    pub(crate) fn error(&mut self, what: &str) {
        self.say("error", RED, what);
    }

    /// Says what its author should know.
    pub(crate) fn warn(&mut self, what: &str) {
        self.say("warning", YELLOW, what);
    }

    /// Says something by the way.
    pub(crate) fn note(&mut self, what: &str) {
        self.say("note", BLUE, what);
    }

    /// Says why a command did not come to its end, and gives the exit code.
    pub(crate) fn failure(&mut self, failure: &Failure) -> Answer {
        match failure {
            Failure::Said(answer) => *answer,
            Failure::Message { answer, what, hint } => {
                self.error(what);
                if let Some(hint) = hint {
                    self.say("help", GREEN, hint);
                }
                *answer
            }
        }
    }

    /// How many columns the reader of standard output has; `None` if it is no terminal.
    pub(crate) fn columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(size.ws_col.into())
    }

    /// How many columns the reader of standard error has; `None` if it is no terminal.
    pub(crate) fn error_columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
        (size.ws_col > 0).then_some(size.ws_col.into())
    }

    fn say(&mut self, word: &str, style: Style, what: &str) {
        let mut lines = what.lines();
        let first = plain(lines.next().unwrap_or_default());
        let mut text = format!("{style}{word}{style:#}: {first}");
        // A line of somebody else's words must not look like one of ours.
        for line in lines {
            write_infallibly(&mut text, format_args!("\n  {}", plain(line)));
        }
        self.err(&text);
    }

    /// Takes the progress line away.
    fn clear(&mut self) {
        if self.progress.shown == Shown::Yes {
            self.progress.shown = Shown::No;
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Progress for Ui {
    fn step(&mut self, what: &str, done: u64, total: Option<u64>) {
        let recent = self.progress.last.is_some_and(|it| it.elapsed() < PROGRESS_EVERY);
        if self.progress.shown == Shown::Never || recent {
            return;
        }
        self.progress.last = Some(Instant::now());
        self.progress.shown = Shown::Yes;
        let line = progress_line(what, done, total, self.error_columns().unwrap_or(80));
        drop(write!(io::stderr(), "\r{line}\x1b[K"));
    }
}

/// What the last line of a text lacks.
fn line_end(text: &str) -> &'static str {
    if text.is_empty() || text.ends_with('\n') { "" } else { "\n" }
}

/// One line that fits, so that the next can overwrite it.
fn progress_line(what: &str, done: u64, total: Option<u64>, columns: usize) -> String {
    let amount = match (done, total) {
        (0, None) => String::new(),
        (_, Some(total)) if total > 0 => {
            format!(" {} of {} ({}%)", bytes(done), bytes(total), done.min(total) * 100 / total)
        }
        (_, _) => format!(" {}", bytes(done)),
    };
    let room = columns.saturating_sub(amount.len() + 1);
    let what = plain(what);
    let mut line: String = what.chars().take(room).collect();
    line.push_str(&amount);
    line
}

/// A size for people: `12.3 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (count.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Text from outside, fit for a terminal: control characters, line ends among them, and the ones
/// that change the direction of writing are shown as escapes.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unfit(character) {
            write_infallibly(&mut out, format_args!("{}", character.escape_default()));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Whether a character does something to a terminal, or to the order in which its text is read.
pub(crate) fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends to a string, which cannot fail.
pub(crate) fn write_infallibly(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).unwrap_or_default();
}

/// Good.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();
/// Bad.
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
/// Look here.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
/// By the way.
pub(crate) const BLUE: Style = AnsiColor::BrightBlue.on_default().bold();
/// Less important than the rest.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// A heading.
pub(crate) const BOLD: Style = Style::new().bold();

const PROGRESS_EVERY: Duration = Duration::from_millis(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor_or_the_reading_direction() {
        for (text, expected) in [
            ("plain ünïcode ✓", "plain ünïcode ✓"),
            ("\x1b[2Jok", "\\u{1b}[2Jok"),
            ("a\rb\nc\td", "a\\rb\\nc\\td"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}drowssap\u{2066}", "\\u{202e}drowssap\\u{2066}"),
            ("\u{7f}\0", "\\u{7f}\\u{0}"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn sizes_have_one_decimal_and_the_next_unit_from_1024_on() {
        for (count, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "1677721.5 TiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn progress_fits_into_its_line() {
        for (done, total, columns, expected) in [
            (0, None, 40, "pull busybox:latest"),
            (512, Some(1024), 60, "pull busybox:latest 512 B of 1.0 KiB (50%)"),
            (512, Some(1024), 30, "pull b 512 B of 1.0 KiB (50%)"),
            (2048, None, 40, "pull busybox:latest 2.0 KiB"),
            (9, Some(0), 40, "pull busybox:latest 9 B"),
        ] {
            let line = progress_line("pull busybox:latest", done, total, columns);
            assert_eq!(line, expected);
            assert!(line.len() < columns);
        }
    }
}
