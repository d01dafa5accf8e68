//! Differences between two profiles, for people and as JSON.
//!
//! The same difference on many calls is one entry.

use std::fmt::Write as _;

use serde::Serialize;
use stockade_abi::{Architecture, syscalls};
use stockade_seccomp::{
    Action, Condition, Difference, Differences, Extent, Name, Target, Verdict, differences,
};

use super::Format;
use super::profile::Source;
use crate::answer::{Answer, Failure};
use crate::ui::{Ui, plain};

/// Prints the differences that count for `which`, and gives the answer.
pub(super) fn answer(
    sources: [&Source; 2],
    target: &Target,
    which: fn(Verdict) -> bool,
    output: Format,
    ui: &mut Ui,
) -> Result<Answer, Failure> {
    let rules = [sources[0].rules(target, ui)?, sources[1].rules(target, ui)?];
    let Differences { mut found, undecided } = differences(&rules[0], &rules[1]);
    found.retain(|it| which(it.witness.verdict()));
    let answer = match (found.is_empty(), undecided.is_empty()) {
        (false, _) => Answer::No,
        (true, false) => Answer::Unanswered,
        (true, true) => Answer::Yes,
    };
    let undecided: Vec<String> = undecided.iter().map(ToString::to_string).collect();
    let entries = grouped(&found, sources);
    match output {
        Format::Json => {
            let document = Document { version: VERSION, differences: &entries, undecided };
            let text = serde_json::to_string_pretty(&document).map_err(Failure::unanswered)?;
            ui.out(&(text + "\n"))?;
        }
        Format::Text => {
            let text: String = entries.iter().map(|it| it.text(sources)).collect();
            if !text.is_empty() {
                ui.out(&text)?;
            }
            for call in undecided {
                ui.warn(&format!("the rules are too entangled to decide about {call}"));
            }
        }
    }
    Ok(answer)
}

/// What is printed as JSON, version 1. A field is never renamed and never changes its meaning within
/// a version.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    differences: &'a [Entry],
    /// Calls about which nothing is known.
    undecided: Vec<String>,
}

/// One difference, on some calls.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Entry {
    /// How the second profile's answer stands to the first's.
    verdict: &'static str,
    syscalls: Vec<&'static str>,
    /// Whether numbers that have no name get it too.
    unnamed: bool,
    architectures: Vec<String>,
    /// For all arguments if it is not there; each a list of conditions that hold together.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    cases: Option<Vec<Vec<String>>>,
    first: String,
    second: String,
    /// A call that shows it.
    witness: String,
    /// Lines of the first profile's rules that name the call, if it is one call.
    #[serde(rename = "firstLines")]
    first_lines: Vec<u32>,
    #[serde(rename = "secondLines")]
    second_lines: Vec<u32>,
}

fn grouped(found: &[Difference], sources: [&Source; 2]) -> Vec<Entry> {
    // First by call, over architectures; then calls with the same difference on the same ones.
    let mut by_call: Vec<(Option<&'static str>, Entry)> = Vec::new();
    for one in found {
        for name in names(one) {
            let entry = entry(one);
            let same = by_call.iter_mut().find(|(other, it)| {
                *other == name
                    && (it.verdict, &it.cases, &it.first, &it.second)
                        == (entry.verdict, &entry.cases, &entry.first, &entry.second)
            });
            match same {
                Some((_, known)) => {
                    let more = entry
                        .architectures
                        .into_iter()
                        .filter(|it| !known.architectures.contains(it));
                    let more: Vec<String> = more.collect();
                    known.architectures.extend(more);
                }
                None => by_call.push((name, entry)),
            }
        }
    }
    let mut all: Vec<Entry> = Vec::new();
    for (name, entry) in by_call {
        let same = all.iter_mut().find(|it| {
            (&it.architectures, it.verdict, &it.cases, &it.first, &it.second)
                == (&entry.architectures, entry.verdict, &entry.cases, &entry.first, &entry.second)
        });
        let known = match same {
            Some(known) => known,
            None => {
                all.push(entry);
                let Some(last) = all.last_mut() else { continue };
                last
            }
        };
        match name {
            Some(name) => known.syscalls.push(name),
            None => known.unnamed = true,
        }
    }
    for entry in &mut all {
        entry.syscalls.sort_unstable();
        if let [name] = entry.syscalls[..] {
            [entry.first_lines, entry.second_lines] = sources.map(|it| lines(it, name));
        }
    }
    let rank = |it: &Entry| match it.verdict {
        "weaker" => 0,
        "tighter" => 1,
        _ => 2,
    };
    all.sort_by_key(rank);
    all
}

/// The calls that a stretch of numbers holds; `None` stands for numbers without name.
fn names(difference: &Difference) -> Vec<Option<&'static str>> {
    let Difference { architecture, numbers, .. } = difference;
    if numbers.start() == numbers.end() {
        return vec![syscalls::name(*architecture, *numbers.start())];
    }
    let inside = syscalls::all(*architecture).filter(|(number, _)| numbers.contains(number));
    let mut all: Vec<_> = inside.map(|(_, name)| Some(name)).collect();
    let distinct = u32::try_from(all.len()).unwrap_or(u32::MAX);
    if numbers.end() - numbers.start() >= distinct {
        all.push(None);
    }
    all
}

fn entry(difference: &Difference) -> Entry {
    let Difference { architecture, extent, witness, .. } = difference;
    let case = |it: &Vec<Condition>| it.iter().map(ToString::to_string).collect();
    Entry {
        verdict: match witness.verdict() {
            Verdict::Weaker => "weaker",
            Verdict::Tighter => "tighter",
            Verdict::Other => "other",
        },
        syscalls: Vec::new(),
        unnamed: false,
        architectures: vec![named(*architecture)],
        cases: match extent {
            Extent::Always => None,
            Extent::Sometimes => Some(Vec::new()),
            Extent::Where(cases) => Some(cases.iter().map(case).collect()),
        },
        first: said(witness.ours),
        second: said(witness.theirs),
        witness: witness.call.to_string(),
        first_lines: Vec::new(),
        second_lines: Vec::new(),
    }
}

fn named(architecture: Architecture) -> String {
    architecture.to_string()
}

fn said(action: Action) -> String {
    action.to_string()
}

fn lines(source: &Source, name: &str) -> Vec<u32> {
    let names = |it: &&stockade_seccomp::ProfileRule| {
        it.names.iter().map(Name::as_str).any(|it| it == name)
    };
    let lines = source.profile.rules.iter().filter(names).map(|it| it.place.line);
    // Our own profile stands in no file.
    lines.filter(|it| *it > 0).collect()
}

impl Entry {
    fn text(&self, sources: [&Source; 2]) -> String {
        let unnamed = self.unnamed.then_some("numbers without a name");
        let names: Vec<&str> = self.syscalls.iter().copied().chain(unnamed).collect();
        let mut text = format!("{:<8}", self.verdict);
        let mut column = text.len();
        for (index, name) in names.iter().enumerate() {
            let end = if index + 1 < names.len() { "," } else { "" };
            if column + name.len() + end.len() + 1 > WIDTH {
                text.push_str("\n        ");
                column = 8;
            } else if index > 0 {
                text.push(' ');
                column += 1;
            }
            text.push_str(name);
            text.push_str(end);
            column += name.len() + end.len();
        }
        match &self.cases {
            None => {}
            Some(cases) if cases.is_empty() => text.push_str(" for some arguments"),
            Some(cases) => {
                let cases: Vec<String> = cases.iter().map(|it| it.join(" and ")).collect();
                text += &format!(" where {}", cases.join(", or "));
            }
        }
        let places: Vec<String> =
            [(sources[0], &self.first_lines), (sources[1], &self.second_lines)]
                .into_iter()
                .flat_map(|(source, lines)| lines.iter().map(|it| (&source.written.file, *it)))
                .map(|(file, line)| format!("{}:{line}", plain(file)))
                .collect();
        let architectures = self.architectures.join(", ");
        let written =
            writeln!(text, "\n        {} -> {} on {architectures}", self.first, self.second);
        written.unwrap_or_default();
        if self.cases.is_some() {
            writeln!(text, "        as {}", self.witness).unwrap_or_default();
        }
        if !places.is_empty() {
            writeln!(text, "        {}", places.join(", ")).unwrap_or_default();
        }
        text
    }
}

const VERSION: u32 = 1;

/// Columns of a line.
const WIDTH: usize = 100;
