//! A report as people read it.
//!
//! Columns as wide as their text where there is room, else wrapped. What a verdict has to say
//! beyond its word stands on a line of its own below. Nothing of a manifest or an image is printed
//! as it is.

use crate::report::{Container, From, Line, Place, Report, Source, Verdict};
use crate::ui::{BOLD, FAINT, GREEN, RED, YELLOW, plain};

/// Draws a report for a reader of so many columns. Has colours.
pub(crate) fn table(report: &Report, columns: Option<usize>) -> String {
    let columns = columns.unwrap_or(OFF_TERMINAL).max(NARROWEST);
    let pod = plain(&report.metadata.name);
    let mut lines = vec![format!(
        "{BOLD}pod/{pod}{BOLD:#}  {FAINT}namespace {}, {}{FAINT:#}",
        plain(&report.metadata.namespace),
        restart(report),
    )];
    containers(report, columns, &mut lines);
    lines.join("\n")
}

/// The same without the pod's own line: what comes after a part that was drawn before.
pub(crate) fn continued(report: &Report, columns: Option<usize>) -> String {
    let mut lines = Vec::new();
    containers(report, columns.unwrap_or(OFF_TERMINAL).max(NARROWEST), &mut lines);
    lines.join("\n")
}

fn containers(report: &Report, columns: usize, lines: &mut Vec<String>) {
    for (kind, list) in
        [("init container", &report.init_containers), ("container", &report.containers)]
    {
        for container in list {
            lines.push(String::new());
            lines.push(format!("{BOLD}{kind} {}{BOLD:#}", plain(&container.name)));
            draw(container, columns, lines);
        }
    }
}

fn restart(report: &Report) -> String {
    let value = plain(&report.restart_policy.value);
    match report.restart_policy.from.source {
        Source::Default => {
            let why = report.restart_policy.from.text.strip_prefix("default: ");
            format!("restartPolicy unset, taken as {value}: {}", plain(why.unwrap_or_default()))
        }
        Source::Field | Source::Annotation | Source::Image | Source::Node => {
            format!("restartPolicy {value}")
        }
    }
}

fn draw(container: &Container, columns: usize, lines: &mut Vec<String>) {
    let rows: Vec<[String; COLUMNS]> = container.mechanisms.iter().map(cells).collect();
    let widths = widths(&rows, columns);
    let heading = HEADING.map(str::to_owned);
    lines.push(format!("{FAINT}{}{FAINT:#}", row(&heading, &widths, None)));
    for (mechanism, cells) in container.mechanisms.iter().zip(&rows) {
        let wrapped: Vec<Vec<String>> =
            cells.iter().zip(widths).map(|(cell, width)| wrap(cell, width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or_default();
        for index in 0..height {
            let part: [String; COLUMNS] = std::array::from_fn(|column| {
                wrapped.get(column).and_then(|it| it.get(index)).cloned().unwrap_or_default()
            });
            lines.push(row(&part, &widths, Some(mechanism.verdict)));
        }
        if let Some(detail) = &mechanism.detail {
            let style = style(mechanism.verdict);
            for part in wrap(&plain(detail), columns.saturating_sub(DETAIL.len())) {
                lines.push(format!("{DETAIL}{style}{part}{style:#}"));
            }
        }
    }
}

fn cells(line: &Line) -> [String; COLUMNS] {
    [
        plain(&line.mechanism).into_owned(),
        plain(&line.declared).into_owned(),
        line.from.as_ref().map(short).unwrap_or_default(),
        line.kernel.as_deref().map_or_else(|| "-".to_owned(), |it| plain(it).into_owned()),
        line.verdict.word().to_owned(),
    ]
}

/// `pod.yaml:12 runAsUser`.
fn short(from: &From) -> String {
    let text = match (&from.place, from.source) {
        (Some(Place { path, file, line, column: _ }), _) => {
            let file = file.rsplit('/').next().unwrap_or(file);
            let line = line.map(|it| format!(":{it}")).unwrap_or_default();
            format!("{file}{line} {}", last(path))
        }
        // The reason is in the JSON; here it would hide that nobody said anything.
        (None, Source::Default) => "default".to_owned(),
        (None, Source::Field | Source::Annotation | Source::Image | Source::Node) => {
            from.text.clone()
        }
    };
    plain(text.trim_end()).into_owned()
}

/// The last field of a path: `add[0]`, or the key of an annotation.
fn last(path: &str) -> &str {
    match path
        .strip_prefix("metadata.annotations[")
        .or_else(|| path.split_once(".annotations[").map(|it| it.1))
    {
        Some(key) => key.strip_suffix(']').unwrap_or(key),
        None => path.rsplit('.').next().unwrap_or(path),
    }
}

/// Each column gets what it needs; where that is too much, the wide ones share what there is.
fn widths(rows: &[[String; COLUMNS]], columns: usize) -> [usize; COLUMNS] {
    let needs: [usize; COLUMNS] = std::array::from_fn(|column| {
        let heading = HEADING[column].len();
        rows.iter().map(|it| width(&it[column])).max().unwrap_or_default().max(heading)
    });
    let gaps = GAP.len() * (COLUMNS - 1);
    let fixed = needs[0] + needs[COLUMNS - 1] + gaps;
    let mut room = columns.saturating_sub(fixed).max(3 * LEAST);
    let mut widths = needs;
    let mut flexible: Vec<usize> = vec![1, 2, 3];
    flexible.sort_by_key(|column| needs[*column]);
    for (done, column) in flexible.iter().enumerate() {
        let share = room / (flexible.len() - done);
        widths[*column] = needs[*column].min(share);
        room -= widths[*column];
    }
    widths
}

fn row(cells: &[String; COLUMNS], widths: &[usize; COLUMNS], verdict: Option<Verdict>) -> String {
    let mut line = String::new();
    for (column, cell) in cells.iter().enumerate() {
        if column + 1 < COLUMNS {
            line.push_str(cell);
            let fill = widths[column].saturating_sub(width(cell)) + GAP.len();
            line.extend(std::iter::repeat_n(' ', fill));
        } else {
            match verdict {
                Some(verdict) if !cell.is_empty() => {
                    let style = style(verdict);
                    line.push_str(&format!("{style}{cell}{style:#}"));
                }
                Some(_) | None => line.push_str(cell),
            }
        }
    }
    line.trim_end().to_owned()
}

/// Breaks a text at blanks into lines; a word that is longer than a line is broken where it must.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let used = width(&line);
        if used > 0 && used + 1 + word.len() > columns {
            lines.push(std::mem::take(&mut line));
        } else if used > 0 {
            line.push(' ');
        }
        while word.len() > columns {
            let rest = word.split_off(columns);
            lines.push(word.iter().collect());
            word = rest;
        }
        line.extend(word);
    }
    lines.push(line);
    lines
}

fn width(text: &str) -> usize {
    text.chars().count()
}

const fn style(verdict: Verdict) -> clap::builder::styling::Style {
    match verdict {
        Verdict::Holds | Verdict::Tighter => GREEN,
        Verdict::Adjusted | Verdict::Different | Verdict::Unproven => YELLOW,
        Verdict::Weaker | Verdict::Unreadable => RED,
        Verdict::NotJudged => FAINT,
    }
}

const COLUMNS: usize = 5;
const HEADING: [&str; COLUMNS] = ["MECHANISM", "DECLARED", "FROM", "KERNEL", "VERDICT"];
const GAP: &str = "   ";
const DETAIL: &str = "    ";
const LEAST: usize = 14;
const NARROWEST: usize = 60;
/// Off a terminal nothing is wrapped: a line is a line for whoever searches it.
const OFF_TERMINAL: usize = 4096;

#[cfg(test)]
mod tests;
