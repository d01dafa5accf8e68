//! From a [`Profile`] to text: what [`Profile::parse`] reads back as the same profile.
//!
//! Fields stand in a fixed order and only where they say something; names fill their lines. An error
//! number is always written, so that nobody has to know the default. Knows nothing of what a profile
//! means.

use std::fmt::Write as _;

use stockade_abi::{Capability, CapabilitySet};

use super::words::{FLAGS, GO_ARCHITECTURES};
use super::{ArchitectureList, Listed, Name, Profile, ProfileRule, Selector};
use crate::action::Action;
use crate::condition::{Condition, Operator};

pub(super) fn print(profile: &Profile) -> String {
    let mut fields = action("defaultAction", "defaultErrnoRet", profile.default_action);
    fields.extend(architectures(&profile.architectures));
    if !profile.flags.is_empty() {
        let word = |it| FLAGS.iter().find(|(_, flag)| flag == it).map(|(word, _)| quoted(word));
        fields.push(list("flags", profile.flags.iter().filter_map(word), 1));
    }
    fields.extend(text("listenerPath", profile.listener_path.as_deref()));
    fields.extend(text("listenerMetadata", profile.listener_metadata.as_deref()));
    let rules: Vec<String> = profile.rules.iter().map(rule).collect();
    fields.push(block("syscalls", &rules, 1));
    format!("{{\n  {}\n}}\n", fields.join(",\n  "))
}

fn architectures(all: &ArchitectureList) -> Option<String> {
    match all {
        ArchitectureList::Native => None,
        ArchitectureList::Listed(listed) => {
            Some(list("architectures", listed.iter().map(|it| quoted(scmp_name(*it))), 1))
        }
        ArchitectureList::Map(map) => {
            let entry = |(key, subordinate): &(Listed, Vec<Listed>)| {
                let key = quoted(scmp_name(*key));
                let names = subordinate.iter().map(|it| quoted(scmp_name(*it)));
                let subordinate = list("subArchitectures", names, 3);
                format!("{{\n      \"architecture\": {key},\n      {subordinate}\n    }}")
            };
            Some(block("archMap", &map.iter().map(entry).collect::<Vec<_>>(), 1))
        }
    }
}

fn rule(rule: &ProfileRule) -> String {
    let ProfileRule { place: _, names, action: done, conditions, includes, excludes, comment } =
        rule;
    let name = |it: &Name| match it {
        Name::Known(known) => quoted(known.name()),
        Name::Unknown(name) => quoted(name),
    };
    let mut fields = vec![list("names", names.iter().map(name), 3)];
    fields.extend(action("action", "errnoRet", *done));
    if !conditions.is_empty() {
        fields.push(block("args", &conditions.iter().map(condition).collect::<Vec<_>>(), 3));
    }
    fields.extend(text("comment", comment.as_deref()));
    fields.extend(selector("includes", includes));
    fields.extend(selector("excludes", excludes));
    format!("{{\n      {}\n    }}", fields.join(",\n      "))
}

fn action(word: &str, number: &str, action: Action) -> Vec<String> {
    let (name, value) = match action {
        Action::KillProcess => ("KILL_PROCESS", None),
        Action::KillThread => ("KILL_THREAD", None),
        Action::Trap => ("TRAP", None),
        Action::Errno(errno) => ("ERRNO", Some(errno.0)),
        Action::Notify => ("NOTIFY", None),
        Action::Trace(message) => ("TRACE", Some(message)),
        Action::Log => ("LOG", None),
        Action::Allow => ("ALLOW", None),
    };
    let mut fields = vec![format!("\"{word}\": \"SCMP_ACT_{name}\"")];
    fields.extend(value.map(|it| format!("\"{number}\": {it}")));
    fields
}

fn condition(condition: &Condition) -> String {
    let index = condition.argument;
    let (word, value) = match condition.operator {
        Operator::NotEqual(value) => ("NE", value),
        Operator::Less(value) => ("LT", value),
        Operator::LessOrEqual(value) => ("LE", value),
        Operator::Equal(value) => ("EQ", value),
        Operator::GreaterOrEqual(value) => ("GE", value),
        Operator::Greater(value) => ("GT", value),
        Operator::MaskedEqual { mask, value } => {
            return format!(
                "{{ \"index\": {index}, \"value\": {mask}, \"valueTwo\": {value}, \"op\": \
                 \"SCMP_CMP_MASKED_EQ\" }}"
            );
        }
    };
    format!("{{ \"index\": {index}, \"value\": {value}, \"op\": \"SCMP_CMP_{word}\" }}")
}

fn selector(name: &str, selector: &Selector) -> Option<String> {
    let Selector { architectures, capabilities, min_kernel } = selector;
    let mut fields = Vec::new();
    if !architectures.is_empty() {
        fields.push(list("arches", architectures.iter().map(|it| quoted(go_name(*it))), 4));
    }
    if *capabilities != CapabilitySet::EMPTY {
        let held = Capability::ALL.iter().filter(|it| capabilities.contains(**it));
        let names = held.map(|it| quoted(&format!("CAP_{}", it.name())));
        fields.push(list("caps", names, 4));
    }
    if let Some((major, minor)) = min_kernel {
        fields.push(format!("\"minKernel\": \"{major}.{minor}\""));
    }
    let whole = || format!("\"{name}\": {{\n        {}\n      }}", fields.join(",\n        "));
    (!fields.is_empty()).then(whole)
}

fn scmp_name(listed: Listed) -> &'static str {
    match listed {
        Listed::Known(known) => known.scmp_name(),
        Listed::Foreign(name) => name,
    }
}

fn go_name(listed: Listed) -> &'static str {
    let found = GO_ARCHITECTURES.iter().find(|(_, it)| *it == listed);
    found.map_or_else(|| scmp_name(listed), |(name, _)| name)
}

fn text(name: &str, value: Option<&str>) -> Option<String> {
    value.map(|it| format!("\"{name}\": {}", quoted(it)))
}

/// A field whose values have a line each.
fn block(name: &str, values: &[String], depth: usize) -> String {
    if values.is_empty() {
        return format!("\"{name}\": []");
    }
    let outer = "  ".repeat(depth);
    let inner = format!(",\n{outer}  ");
    format!("\"{name}\": [\n{outer}  {}\n{outer}]", values.join(&inner))
}

/// A field whose values fill lines, or share the field's own if they fit.
fn list(name: &str, values: impl Iterator<Item = String>, depth: usize) -> String {
    let outer = "  ".repeat(depth);
    let mut lines = vec![String::new()];
    for value in values {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(&value);
                continue;
            }
            line.push(',');
            if outer.len() + 2 + line.chars().count() + 1 + value.chars().count() < WIDTH {
                line.push(' ');
                line.push_str(&value);
                continue;
            }
        }
        lines.push(value);
    }
    match &lines[..] {
        [one] if outer.len() + name.len() + one.chars().count() + 7 < WIDTH => {
            format!("\"{name}\": [{one}]")
        }
        _ => format!("\"{name}\": [\n{outer}  {}\n{outer}]", lines.join(&format!("\n{outer}  "))),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() || is_directional(control) => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a String takes everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Characters that change the order in which others are shown.
fn is_directional(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns of a line.
const WIDTH: usize = 100;
