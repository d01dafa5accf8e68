//! Cases of lints: a profile in short, and what is found in it.
//!
//! ```text
//! allow [ARCHITECTURE…]; deny chmod fchmod; log socket if 0==38 1&0xff==1 caps BPF
//! ```
//!
//! First the default and the architectures, then the rules in their order. `9x deny ioctl if 1==#` is
//! nine rules, with their number for `#`.

use std::fmt::Write as _;

use stockade_abi::{Architecture, CapabilitySet};

use super::{LINTS, Lint, MALFORMED, Severity, lint, mistakes};
use crate::{Profile, Target};

/// What it shows, the profile (in short, or as JSON), and the paths of what is found there.
pub(super) type Case = (&'static str, &'static str, &'static [(&'static str, Severity)]);

/// The machine of every case.
const TARGET: Target = Target {
    architecture: Architecture::X86_64,
    capabilities: CapabilitySet::EMPTY,
    kernel: (6, 12),
};

#[test]
fn every_lint_finds_what_its_cases_say() {
    for Lint { id, cases, severities, .. } in LINTS {
        for (shows, short, expected) in *cases {
            let text = if short.starts_with('{') { (*short).to_owned() } else { long(short) };
            let all = match Profile::parse("p.json", &text) {
                Ok(parsed) => lint(&parsed, &text, &TARGET),
                Err(errors) => mistakes(&errors),
            };
            assert!(all.iter().all(|it| it.lint != MALFORMED), "{id}: {shows}: {all:#?}");
            let found: Vec<_> = all.iter().filter(|it| it.lint == *id).collect();
            let places: Vec<_> = found.iter().map(|it| (it.path.as_str(), it.severity)).collect();
            assert_eq!(places, *expected, "{id}: {shows}: {found:#?}");
            for finding in found {
                assert!(severities.contains(&finding.severity), "{id}: {finding:?}");
                let is_sentence = |it: &str| !it.is_empty() && !it.ends_with('.');
                assert!(is_sentence(&finding.what) && is_sentence(&finding.why), "{finding:?}");
                assert!(finding.fix.as_deref().is_none_or(is_sentence), "{finding:?}");
                assert!(finding.place.is_some(), "{finding:?}");
            }
        }
    }
}

/// The profile that a line stands for, one rule a line.
pub(super) fn long(short: &str) -> String {
    let mut parts = short.split(';').map(str::trim);
    let mut first = parts.next().unwrap().split(' ');
    let default = action(first.next().unwrap());
    let architectures: Vec<String> = first.map(|it| format!("\"SCMP_ARCH_{it}\"")).collect();
    let architectures = architectures.join(", ");
    let rules: Vec<String> = parts.flat_map(rules).collect();
    let default = default.replace("action", "defaultAction").replace("errnoRet", "defaultErrnoRet");
    format!(
        "{{\n{default},\n\"architectures\": [{architectures}],\n\"syscalls\": [\n{}\n]}}",
        rules.join(",\n")
    )
}

fn rules(short: &str) -> Vec<String> {
    let times = short.split_once("x ").and_then(|(count, rest)| Some((count.parse().ok()?, rest)));
    let (count, short): (usize, &str) = times.unwrap_or((1, short));
    (0..count).map(|index| rule(&short.replace('#', &index.to_string()))).collect()
}

fn rule(short: &str) -> String {
    let mut words = short.split(' ').filter(|it| !it.is_empty());
    let mut out = format!("{{{}", action(words.next().unwrap()));
    let (mut names, mut conditions, mut capabilities) = (Vec::new(), Vec::new(), Vec::new());
    let mut list = &mut names;
    for word in words {
        match word {
            "if" => list = &mut conditions,
            "caps" => list = &mut capabilities,
            _ => list.push(word),
        }
    }
    let names: Vec<String> = names.iter().map(|it| format!("\"{it}\"")).collect();
    let conditions: Vec<String> = conditions.iter().map(|it| condition(it)).collect();
    let capabilities: Vec<String> = capabilities.iter().map(|it| format!("\"CAP_{it}\"")).collect();
    write!(out, ", \"names\": [{}], \"args\": [{}]", names.join(", "), conditions.join(", "))
        .unwrap();
    write!(out, ", \"includes\": {{\"caps\": [{}]}}}}", capabilities.join(", ")).unwrap();
    out
}

fn action(word: &str) -> String {
    let (name, number) = match word {
        "allow" => ("ALLOW", None),
        "deny" => ("ERRNO", Some(1)),
        "enosys" => ("ERRNO", Some(38)),
        "kill" => ("KILL_PROCESS", None),
        "kill-thread" => ("KILL", None),
        "log" => ("LOG", None),
        "trace" => ("TRACE", Some(1)),
        "trap" => ("TRAP", None),
        "notify" => ("NOTIFY", None),
        other => panic!("no action `{other}`"),
    };
    let number = number.map_or(String::new(), |it| format!(", \"errnoRet\": {it}"));
    format!("\"action\": \"SCMP_ACT_{name}\"{number}")
}

fn condition(short: &str) -> String {
    let (index, rest) = short.split_at(1);
    let number = |it: &str| match it.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => it.parse().unwrap(),
    };
    if let Some(rest) = rest.strip_prefix('&') {
        let (mask, value) = rest.split_once("==").unwrap();
        let (mask, value) = (number(mask), number(value));
        return format!(
            r#"{{"index": {index}, "op": "SCMP_CMP_MASKED_EQ", "value": {mask}, "valueTwo": {value}}}"#
        );
    }
    let signs = [("==", "EQ"), ("!=", "NE"), ("<=", "LE"), (">=", "GE"), ("<", "LT"), (">", "GT")];
    let (sign, name) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)).unwrap();
    let value = number(&rest[sign.len()..]);
    format!(r#"{{"index": {index}, "op": "SCMP_CMP_{name}", "value": {value}}}"#)
}
