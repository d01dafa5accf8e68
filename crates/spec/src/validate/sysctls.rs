//! Kernel parameters: the field, and the annotations of 1.4 to 1.10.
//!
//! | rule | since |
//! |---|---|
//! | a name of segments of `[-_a-z0-9]` joined by `.`, at most 253 characters | 1.11 |
//! | … or by `/` | 1.23 |
//! | no name twice (`a.b` and `a/b` are two names) | 1.11 |
//! | none of the network namespace with `hostNetwork`, none of the IPC namespace with `hostIPC` | 1.29 |
//!
//! Values are the kernel's business. Without a cluster's version the
//! annotations are checked too, by the rules of their time.

use std::collections::HashSet;

use super::LegacyAnnotations;
use super::report::Report;
use crate::legacy_sysctls;
use crate::place::FieldPath;

/// Checks `spec.securityContext.sysctls`.
pub(super) fn check(report: &mut Report<'_>) {
    let context = report.pod.security_context();
    let sysctls = context.and_then(|it| it.sysctls.as_deref()).unwrap_or_default();
    let mut names = HashSet::new();
    for (index, sysctl) in sysctls.iter().enumerate() {
        let path = FieldPath::from("spec.securityContext.sysctls").index(index).child("name");
        let name = sysctl.name.as_str();
        if name.is_empty() {
            report.required(&path, "");
        } else if !is_name(name, separators(report)) {
            report.invalid(&path, name, &grammar(report));
        } else if !names.insert(name) {
            report.duplicate(&path, name);
        }
        check_host(report, &path, name);
    }
}

/// Checks the annotations, if they still mean something.
pub(super) fn check_annotations(report: &mut Report<'_>) {
    if report.rules.annotations == LegacyAnnotations::AsCluster {
        return;
    }
    let mut names = HashSet::new();
    for key in [legacy_sysctls::SAFE, legacy_sysctls::UNSAFE] {
        let Some(text) = report.pod.annotations().get(key) else { continue };
        let path = FieldPath::from("metadata.annotations").key(key);
        match legacy_sysctls::parse(text) {
            Err(error) => report.invalid(&path, text, &error.to_string()),
            Ok(sysctls) => {
                for sysctl in sysctls {
                    if !is_name(sysctl.name, &['.']) {
                        report.invalid(&path, sysctl.name, &grammar(report));
                    } else if !names.insert(sysctl.name) {
                        report.duplicate(&path, sysctl.name);
                    }
                }
            }
        }
    }
}

fn check_host(report: &mut Report<'_>, path: &FieldPath, name: &str) {
    let Some(spec) = report.spec().filter(|_| report.since(29)) else { return };
    let normal = normalized(name);
    let is_ipc = IPC.contains(&normal.as_str()) || normal.starts_with("fs.mqueue.");
    if spec.host_network == Some(true) && normal.starts_with("net.") {
        report.invalid(path, name, "may not be specified when 'hostNetwork' is true");
    }
    if spec.host_ipc == Some(true) && is_ipc {
        report.invalid(path, name, "may not be specified when 'hostIPC' is true");
    }
}

/// The name with dots between its segments: if a slash comes first, slashes
/// and dots change places.
fn normalized(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'/' => name
            .chars()
            .map(|it| match it {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

fn is_name(name: &str, separators: &[char]) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= MOST_CHARACTERS
        && name.split(separators).all(|segment| {
            let bytes = segment.as_bytes();
            let is_bounded = [bytes.first(), bytes.last()]
                .iter()
                .all(|byte| byte.is_some_and(|byte| is_edge(*byte)));
            is_bounded && bytes.iter().all(|byte| is_edge(*byte) || b"-_".contains(byte))
        })
}

fn separators(report: &Report<'_>) -> &'static [char] {
    if report.since(23) { &['.', '/'] } else { &['.'] }
}

fn grammar(report: &Report<'_>) -> String {
    let pattern = if report.since(23) {
        "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
    } else {
        "([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
    };
    format!("must have at most {MOST_CHARACTERS} characters and match regex {pattern}")
}

const MOST_CHARACTERS: usize = 253;

/// What the API knows to belong to the IPC namespace, beside `fs.mqueue.`.
const IPC: &[&str] = &[
    "kernel.msg",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];
