//! Device rules as the v1 controller takes them.
//!
//! The controller keeps a default and a list of exceptions from it, and a rule that agrees with the
//! default only takes away exceptions of exactly its own numbers (`security/device_cgroup.c`). So
//! it cannot hold every ordered list: one whose later rule cuts across an earlier one is refused
//! here instead of becoming something else (the unified hierarchy's program can hold it).

use std::os::fd::BorrowedFd;

use stockade_abi::facts::{DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_sys::bpf::{DeviceProgram, attach};

use crate::fault::{Done, Fault};

/// A file of the controller and the line for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Line {
    pub(crate) file: &'static str,
    pub(crate) text: String,
}

/// What to write so that `rules` hold and nothing else is allowed.
pub(crate) fn v1_lines(rules: &[DeviceRule]) -> Done<Vec<Line>> {
    // Deny everything: the default is then "deny" and there are no exceptions.
    let mut lines = vec![line(DeviceVerdict::Deny, "a")];
    let mut default = DeviceVerdict::Deny;
    let mut exceptions: Vec<DeviceRule> = Vec::new();

    for rule in rules {
        if is_everything(rule) {
            lines.push(line(rule.verdict, "a"));
            default = rule.verdict;
            exceptions.clear();
            continue;
        }
        for rule in by_kind(*rule) {
            if rule.verdict == default {
                let same = |it: &DeviceRule| numbers(it) == numbers(&rule);
                if exceptions.iter().any(|it| !same(it) && overlap(it, &rule)) {
                    return Err(Fault::told(format!(
                        "the device controller of cgroup v1 cannot hold the rule `{rule}` after \
                         one that it cuts across"
                    )));
                }
                if !exceptions.iter().any(same) {
                    continue;
                }
            } else {
                exceptions.push(rule);
            }
            lines.push(line(rule.verdict, &rule.to_string()));
        }
    }
    Ok(lines)
}

/// Has the kernel ask a program of `rules` about the processes of a cgroup of the unified
/// hierarchy.
pub(crate) fn attach_program(rules: &[DeviceRule], cgroup: BorrowedFd<'_>) -> Done {
    let program = DeviceProgram::assemble(rules).load()?;
    Ok(attach(program, cgroup)?)
}

fn line(verdict: DeviceVerdict, text: &str) -> Line {
    let file = match verdict {
        DeviceVerdict::Allow => "devices.allow",
        DeviceVerdict::Deny => "devices.deny",
    };
    Line { file, text: text.to_owned() }
}

/// Whether the rule is the controller's `a`, which stands for every device and every access
/// whatever else its line says.
fn is_everything(rule: &DeviceRule) -> bool {
    numbers(rule) == (None, None, None) && rule.access == DeviceAccess::ALL
}

/// The rule for each kind that it speaks of: the controller's letter for both ignores the rest of
/// the line.
fn by_kind(rule: DeviceRule) -> Vec<DeviceRule> {
    match rule.kind {
        Some(_) => vec![rule],
        None => [DeviceKind::Character, DeviceKind::Block]
            .map(|kind| DeviceRule { kind: Some(kind), ..rule })
            .to_vec(),
    }
}

const fn numbers(rule: &DeviceRule) -> (Option<DeviceKind>, Option<u32>, Option<u32>) {
    (rule.kind, rule.major, rule.minor)
}

fn overlap(one: &DeviceRule, other: &DeviceRule) -> bool {
    let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    one.kind == other.kind
        && meet(one.major, other.major)
        && meet(one.minor, other.minor)
        && one.access.difference(other.access) != one.access
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> DeviceRule {
        let mut words = text.split([' ', ':']);
        let verdict = match words.next() {
            Some("allow") => DeviceVerdict::Allow,
            _ => DeviceVerdict::Deny,
        };
        let kind = match words.next() {
            Some("c") => Some(DeviceKind::Character),
            Some("b") => Some(DeviceKind::Block),
            _ => None,
        };
        let mut number = || words.next().and_then(|it| it.parse().ok());
        let (major, minor) = (number(), number());
        let access = DeviceAccess::parse(words.next().unwrap()).unwrap();
        DeviceRule { verdict, kind, major, minor, access }
    }

    #[test]
    fn lists_that_the_controller_can_hold() {
        for (rules, expected) in [
            (&[][..], &["deny a"][..]),
            (&["deny a *:* rwm"], &["deny a", "deny a"]),
            (
                &["allow c *:* m", "allow c 1:3 rwm"],
                &["deny a", "allow c *:* m", "allow c 1:3 rwm"],
            ),
            (&["allow a *:* rwm"], &["deny a", "allow a"]),
            (&["allow a *:* rwm", "deny b *:* w"], &["deny a", "allow a", "deny b *:* w"]),
            (&["allow a *:* m"], &["deny a", "allow c *:* m", "allow b *:* m"]),
            (&["deny c 1:3 w", "allow c 1:3 rw"], &["deny a", "allow c 1:3 rw"]),
            (&["allow c 1:3 rw", "deny c 1:3 w"], &["deny a", "allow c 1:3 rw", "deny c 1:3 w"]),
        ] {
            let rules: Vec<DeviceRule> = rules.iter().map(|it| rule(it)).collect();
            let lines: Vec<String> = v1_lines(&rules)
                .unwrap()
                .into_iter()
                .map(|it| format!("{} {}", it.file.trim_start_matches("devices."), it.text))
                .collect();
            assert_eq!(lines, expected, "{rules:?}");
        }
    }

    #[test]
    fn lists_that_it_cannot_hold_are_refused() {
        for rules in [
            &["allow c 1:3 rw", "deny c *:* w"][..],
            &["allow c *:* rw", "deny c 1:3 w"],
            &["allow a *:* rwm", "deny c *:* w", "allow c 1:3 w"],
            &["allow c 1:3 rw", "deny a *:* w"],
        ] {
            let rules: Vec<DeviceRule> = rules.iter().map(|it| rule(it)).collect();
            assert!(v1_lines(&rules).is_err(), "{rules:?}");
        }
    }
}
