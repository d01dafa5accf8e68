//! A profile as other programs read it: OCI's JSON, and the same fields as the object of a cluster.
//!
//! What these cannot say was refused before.

use serde::Serialize;
use stockade_seccomp::{ArchitectureList, Condition, Name, Profile, ProfileRule};
use stockade_spec::ProfileObject;

use super::words;

/// OCI's JSON.
pub(super) fn json(profile: &Profile) -> String {
    let mut text = serde_json::to_string_pretty(&wire(profile)).expect("texts and numbers");
    text.push('\n');
    text
}

/// A `SeccompProfile`, with what it said beside the profile if it was one before. Every text is quoted
/// as in JSON, which YAML reads alike.
pub(super) fn yaml(profile: &Profile, name: &str, before: Option<&ProfileObject>) -> String {
    let wire = wire(profile);
    let mut out = format!(
        "apiVersion: security-profiles-operator.x-k8s.io/v1\nkind: SeccompProfile\n\
         metadata:\n  name: {}\nspec:\n",
        quoted(name)
    );
    if let Some((base, _)) = before.and_then(|it| it.base_profile.as_ref()) {
        out.push_str(&format!("  baseProfileName: {}\n", quoted(base)));
    }
    if before.is_some_and(|it| it.disabled.is_some()) {
        out.push_str("  disabled: true\n");
    }
    out.push_str(&format!("  defaultAction: {}\n", wire.default_action));
    let mut list = |field: &str, words: &[&str]| {
        if !words.is_empty() {
            out.push_str(&format!("  {field}: [{}]\n", words.join(", ")));
        }
    };
    list("architectures", &wire.architectures);
    list("flags", &wire.flags);
    for (field, text) in
        [("listenerPath", wire.listener_path), ("listenerMetadata", wire.listener_metadata)]
    {
        if let Some(text) = text {
            out.push_str(&format!("  {field}: {}\n", quoted(text)));
        }
    }
    if !wire.syscalls.is_empty() {
        out.push_str("  syscalls:\n");
    }
    for Rule { names, action, errno_ret, args } in &wire.syscalls {
        out.push_str(&format!("  - action: {action}\n"));
        if let Some(number) = errno_ret {
            out.push_str(&format!("    errnoRet: {number}\n"));
        }
        out.push_str("    names:\n");
        for name in names {
            out.push_str(&format!("    - {}\n", quoted(name)));
        }
        if !args.is_empty() {
            out.push_str("    args:\n");
        }
        for Argument { index, value, value_two, op } in args {
            out.push_str(&format!("    - index: {index}\n      op: {op}\n      value: {value}\n"));
            if let Some(second) = value_two {
                out.push_str(&format!("      valueTwo: {second}\n"));
            }
        }
    }
    out
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn wire<'a>(profile: &'a Profile) -> Wire<'a> {
    let (default_action, default_errno_ret) = words::action(profile.default_action);
    let architectures = match &profile.architectures {
        ArchitectureList::Listed(listed) => listed.as_slice(),
        ArchitectureList::Native | ArchitectureList::Map(_) => &[],
    };
    let rule = |it: &'a ProfileRule| {
        let ProfileRule { names, action, conditions, .. } = it;
        let (action, errno_ret) = words::action(*action);
        let argument = |it: &Condition| {
            let (op, value, value_two) = words::operator(it.operator);
            Argument { index: it.argument, value, value_two, op }
        };
        let name = |it: &'a Name| match it {
            Name::Known(known) => known.name(),
            Name::Unknown(name) => name,
        };
        Rule {
            names: unique(names.iter().map(name)),
            action,
            errno_ret,
            args: conditions.iter().map(argument).collect(),
        }
    };
    Wire {
        default_action,
        default_errno_ret,
        architectures: unique(architectures.iter().copied().map(words::architecture)),
        flags: unique(profile.flags.iter().copied().map(words::flag)),
        listener_path: profile.listener_path.as_deref(),
        listener_metadata: profile.listener_metadata.as_deref(),
        syscalls: profile.rules.iter().map(rule).collect(),
    }
}

/// A cluster refuses a word that stands twice; it means nothing more.
fn unique<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    all.filter(|it| seen.insert(*it)).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    default_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener_metadata: Option<&'a str>,
    syscalls: Vec<Rule<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    names: Vec<&'a str>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Argument>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_two: Option<u64>,
    op: &'static str,
}
