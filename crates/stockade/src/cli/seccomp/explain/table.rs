//! Decisions for people.

use stockade_seccomp::{By, Clause, Explanation, Opened, Spot, Why};

use super::Answered;
use crate::ui::{BOLD, FAINT, GREEN, RED, plain, write_infallibly};

/// Decisions, those that are the same on several architectures once.
pub(super) fn decisions(answered: &Answered<'_>) -> String {
    let mut out = String::new();
    let mut groups: Vec<Vec<&Explanation>> = Vec::new();
    for one in &answered.explanations {
        match groups.iter_mut().find(|it| is_same(it[0], one)) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    for group in groups {
        decision(answered, &group, &mut out);
    }
    if !answered.openers.is_empty() {
        let names: Vec<String> =
            answered.openers.iter().map(|it| format!("CAP_{}", it.name())).collect();
        write_infallibly(&mut out, format_args!("{} would open more of it\n", names.join(" or ")));
    }
    out
}

/// What each capability opens.
pub(super) fn capabilities(opened: &[Opened]) -> String {
    if opened.is_empty() {
        return "no capability opens a system call\n".to_owned();
    }
    let width = opened.iter().map(|it| it.capability.name().len()).max().unwrap_or(0) + 4;
    let mut out = String::new();
    for Opened { capability, syscalls } in opened {
        let name = format!("CAP_{}", capability.name());
        let mut line = format!("{BOLD}{name:width$}{BOLD:#}");
        let mut used = width;
        for syscall in syscalls {
            if used + syscall.name().len() + 1 > WIDTH {
                write_infallibly(&mut out, format_args!("{}\n", line.trim_end()));
                line = " ".repeat(width);
                used = width;
            }
            write_infallibly(&mut line, format_args!(" {}", syscall.name()));
            used += syscall.name().len() + 1;
        }
        write_infallibly(&mut out, format_args!("{line}\n"));
    }
    out
}

fn is_same(one: &Explanation, other: &Explanation) -> bool {
    one.through == other.through && one.clauses == other.clauses && one.silent == other.silent
}

fn decision(answered: &Answered<'_>, group: &[&Explanation], out: &mut String) {
    let first = group[0];
    let numbers = group.iter().map(|it| match it.number {
        small @ 0..4096 => format!("{} ({small})", it.architecture),
        large => format!("{} ({large:#x})", it.architecture),
    });
    let numbers: Vec<String> = numbers.collect();
    let through = first.through.map_or(String::new(), |it| format!(" through {it}"));
    let verdict = first.verdict().map_or("it depends".to_owned(), |it| it.to_string());
    write_infallibly(
        out,
        format_args!(
            "{BOLD}{}{through} on {}: {verdict}{BOLD:#}\n",
            answered.name,
            numbers.join(", ")
        ),
    );
    let rows: Vec<[String; 3]> =
        first.clauses.iter().map(|it| row(answered, it, first.clauses.len())).collect();
    let width = |column: usize| rows.iter().map(|it| it[column].len()).max().unwrap_or(0);
    let (a, b) = (width(0), width(1));
    for ([conditions, action, origin], clause) in rows.iter().zip(&first.clauses) {
        let color = if clause.action.lets_through() { GREEN } else { RED };
        write_infallibly(
            out,
            format_args!(
                "  {conditions:a$}  {color}{action:b$}{color:#}  {FAINT}{origin}{FAINT:#}\n"
            ),
        );
    }
    for silent in &first.silent {
        let why = match &silent.why {
            Why::NotIncluded(unmet) => {
                unmet.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Why::IsDefault => "says what the default says".to_owned(),
            Why::Behind(other) => format!("{} decides without conditions", rule(answered, *other)),
            Why::Within(other) => format!("{} matches before it", rule(answered, *other)),
        };
        let action = answered.source.profile.rules[silent.rule].action;
        let silent = rule(answered, silent.rule);
        write_infallibly(out, format_args!("  {FAINT}not {silent} ({action}): {why}{FAINT:#}\n"));
    }
    out.push('\n');
}

fn row(answered: &Answered<'_>, clause: &Clause, clauses: usize) -> [String; 3] {
    let conditions: Vec<String> = clause.conditions.iter().map(ToString::to_string).collect();
    let conditions = match (conditions.is_empty(), clauses) {
        (false, _) => conditions.join(" and "),
        (true, 1) if answered.is_narrowed => "then".to_owned(),
        (true, 1) => "always".to_owned(),
        (true, _) => "otherwise".to_owned(),
    };
    let origin = match clause.by {
        By::Rule(index) => rule(answered, index),
        By::Default => format!("defaultAction{}", place(answered, Spot::Field("defaultAction"))),
        By::Newer => "newer than every call that the profile names".to_owned(),
        By::Unlisted => "its architecture is not listed".to_owned(),
    };
    [conditions, clause.action.to_string(), origin]
}

/// `syscalls[3], p.json:12:5`.
fn rule(answered: &Answered<'_>, index: usize) -> String {
    let spot = Spot::Rule(index);
    format!("{spot}{}", place(answered, spot))
}

fn place(answered: &Answered<'_>, spot: Spot) -> String {
    let source = answered.source;
    let found = spot.locate(source.written.json());
    let found = found.filter(|_| !source.written.text.is_empty());
    let Some(found) = found else { return String::new() };
    format!(", {}:{}", plain(&source.written.file), source.written.at(found))
}

/// Columns of the table of capabilities.
const WIDTH: usize = 100;
