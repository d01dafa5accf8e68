//! Decisions as JSON. A field is never renamed within a version; a new one is optional.

use serde::Serialize;
use stockade_seccomp::{By, Clause, Explanation, Opened, Silent, Spot, Why};

use super::{Answered, Failure};

pub(super) fn decisions(answered: &Answered<'_>) -> Result<String, Failure> {
    let document = Document {
        api_version: API_VERSION,
        kind: "SeccompExplanation",
        file: &answered.source.written.file,
        syscall: &answered.name,
        decisions: answered.explanations.iter().map(|it| decision(answered, it)).collect(),
        opened_by: answered.openers.iter().map(|it| format!("CAP_{}", it.name())).collect(),
    };
    serde_json::to_string_pretty(&document).map_err(Failure::unanswered)
}

pub(super) fn capabilities(opened: &[Opened]) -> Result<String, Failure> {
    let one = |it: &Opened| Capability {
        name: format!("CAP_{}", it.capability.name()),
        opens: it.syscalls.iter().map(|it| it.name()).collect(),
    };
    let document = Capabilities {
        api_version: API_VERSION,
        kind: "SeccompCapabilities",
        capabilities: opened.iter().map(one).collect(),
    };
    serde_json::to_string_pretty(&document).map_err(Failure::unanswered)
}

fn decision(answered: &Answered<'_>, it: &Explanation) -> Decision {
    Decision {
        architecture: it.architecture.to_string(),
        number: it.number,
        through: it.through.map(|it| it.to_string()),
        verdict: it.verdict().map(|it| it.to_string()),
        clauses: it.clauses.iter().map(|it| clause(answered, it)).collect(),
        silent: it.silent.iter().map(|it| silent(answered, it)).collect(),
    }
}

fn clause(answered: &Answered<'_>, clause: &Clause) -> WireClause {
    let (by, origin) = match clause.by {
        By::Rule(rule) => ("rule", Some(Spot::Rule(rule))),
        By::Default => ("default", Some(Spot::Field("defaultAction"))),
        By::Newer => ("newer", None),
        By::Unlisted => ("unlisted", None),
    };
    WireClause {
        conditions: clause.conditions.iter().map(ToString::to_string).collect(),
        action: clause.action.to_string(),
        by,
        origin: origin.map(|it| place(answered, it)),
    }
}

fn silent(answered: &Answered<'_>, silent: &Silent) -> WireSilent {
    let (why, other) = match &silent.why {
        Why::NotIncluded(unmet) => {
            let all: Vec<String> = unmet.iter().map(ToString::to_string).collect();
            (all.join(", "), None)
        }
        Why::IsDefault => ("says what the default says".to_owned(), None),
        Why::Behind(other) => ("another decides without conditions".to_owned(), Some(*other)),
        Why::Within(other) => ("another matches before it".to_owned(), Some(*other)),
    };
    WireSilent {
        origin: place(answered, Spot::Rule(silent.rule)),
        why,
        other: other.map(|it| place(answered, Spot::Rule(it))),
    }
}

fn place(answered: &Answered<'_>, spot: Spot) -> WirePlace {
    let written = &answered.source.written;
    let found = spot.locate(written.json()).filter(|_| !written.text.is_empty());
    let found = found.map(|it| written.at(it));
    WirePlace {
        path: spot.to_string(),
        line: found.map(|it| it.line),
        column: found.map(|it| it.column),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    file: &'a str,
    syscall: &'a str,
    decisions: Vec<Decision>,
    opened_by: Vec<String>,
}

/// `verdict` is absent if it depends on arguments.
#[derive(Serialize)]
struct Decision {
    architecture: String,
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    clauses: Vec<WireClause>,
    silent: Vec<WireSilent>,
}

#[derive(Serialize)]
struct WireClause {
    conditions: Vec<String>,
    action: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<WirePlace>,
}

#[derive(Serialize)]
struct WireSilent {
    origin: WirePlace,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<WirePlace>,
}

/// `line` and `column` are absent for a profile that has no text.
#[derive(Serialize)]
struct WirePlace {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    api_version: &'static str,
    kind: &'static str,
    capabilities: Vec<Capability>,
}

#[derive(Serialize)]
struct Capability {
    name: String,
    opens: Vec<&'static str>,
}

const API_VERSION: &str = "stockade.dev/v1alpha1";
