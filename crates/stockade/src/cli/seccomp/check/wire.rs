//! What `check` found, as JSON. A field is never renamed within a version; a new one is optional.

use serde::Serialize;

use super::{Checked, Failure};

pub(super) fn json(all: &[Checked]) -> Result<String, Failure> {
    let document = Document {
        api_version: API_VERSION,
        kind: "SeccompCheck",
        profiles: all.iter().map(profile).collect(),
    };
    serde_json::to_string_pretty(&document).map_err(Failure::unanswered)
}

fn profile(checked: &Checked) -> Profile<'_> {
    let finding = |it: &stockade_seccomp::Finding| Finding {
        lint: it.lint,
        severity: it.severity.word(),
        line: it.place.map(|it| it.line),
        column: it.place.map(|it| it.column),
        path: it.path.clone(),
        what: it.what.clone(),
        why: it.why.clone(),
        fix: it.fix.clone(),
    };
    Profile {
        file: &checked.written.file,
        findings: checked.findings.iter().map(finding).collect(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    profiles: Vec<Profile<'a>>,
}

#[derive(Serialize)]
struct Profile<'a> {
    file: &'a str,
    findings: Vec<Finding>,
}

/// `line` and `column` are absent for a profile that has no text.
#[derive(Serialize)]
struct Finding {
    lint: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    path: String,
    what: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

const API_VERSION: &str = "stockade.dev/v1alpha1";
