//! The confinement report: what was declared, where, what the kernel says, and whether that is so.
//!
//! One type for every reader: the monitor sends it over a pipe, `-o json` prints it, [`table`]
//! draws it. It is a promise (`apiVersion`), and therefore not the types of the program: it is made
//! from them by hand, and the way back ends here.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use stockade_confine::{self as confine, Declared, Finding, Mechanism, Origin, Resolved, Turn};
use stockade_spec as spec;

pub(crate) use table::{continued, table};

/// What a pod's processes are, against what its manifest says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    api_version: String,
    kind: String,
    /// Which pod.
    pub(crate) metadata: Metadata,
    /// When its containers start again.
    pub(crate) restart_policy: RestartPolicy,
    /// Its init containers and sidecars that have had their turn, in the manifest's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) init_containers: Vec<Container>,
    /// Its containers, in the manifest's order; none before their turn.
    pub(crate) containers: Vec<Container>,
}

/// Which pod.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// Its name.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
}

/// When containers start again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestartPolicy {
    /// `Always`, `OnFailure`, `Never`.
    pub(crate) value: String,
    /// Why.
    pub(crate) from: From,
}

/// The lists of containers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum List {
    /// `initContainers`.
    Init,
    /// `containers`.
    Regular,
}

impl std::convert::From<Turn> for List {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Init | Turn::Sidecar => Self::Init,
            Turn::Regular => Self::Regular,
        }
    }
}

/// One container.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container {
    /// Its name.
    pub(crate) name: String,
    /// Its mechanisms, in the order of reports.
    pub(crate) mechanisms: Vec<Line>,
}

/// One mechanism.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// Its name in reports.
    pub(crate) mechanism: String,
    /// What is meant, in words.
    pub(crate) declared: String,
    /// Why.
    pub(crate) from: Option<From>,
    /// What the kernel says, in words.
    pub(crate) kernel: Option<String>,
    /// How the two compare.
    pub(crate) verdict: Verdict,
    /// What is to be said about it beyond the word.
    pub(crate) detail: Option<String>,
}

/// Where a value comes from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct From {
    /// What kind of thing says so.
    pub(crate) source: Source,
    /// In words.
    pub(crate) text: String,
    /// The place in the manifest.
    pub(crate) place: Option<Place>,
}

/// What kind of thing says what a value is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Source {
    /// A field of the manifest.
    Field,
    /// An annotation of the manifest.
    Annotation,
    /// The image.
    Image,
    /// A setting of the node.
    Node,
    /// Nobody.
    Default,
}

/// A place in a manifest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// The field.
    pub(crate) path: String,
    /// The file.
    pub(crate) file: String,
    /// Its line, from 1.
    pub(crate) line: Option<usize>,
    /// Its character, from 1.
    pub(crate) column: Option<usize>,
}

/// How what is seen compares with what was meant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// As meant.
    Holds,
    /// Taken by the kernel in its own form.
    Adjusted,
    /// More confined than meant.
    Tighter,
    /// Other than meant, in a way that has no order.
    Different,
    /// In force as far as can be seen, but not read in full.
    Unproven,
    /// Less confined than meant.
    Weaker,
    /// The kernel did not say.
    Unreadable,
    /// Nothing was foretold that could be compared.
    NotJudged,
}

impl Report {
    /// A report on a pod, to which its containers are to be added.
    pub(crate) fn new(resolved: &Resolved) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: Metadata {
                name: resolved.name.clone(),
                namespace: resolved.namespace.clone(),
            },
            restart_policy: RestartPolicy {
                value: match resolved.restart.value {
                    confine::RestartPolicy::Always => "Always",
                    confine::RestartPolicy::OnFailure => "OnFailure",
                    confine::RestartPolicy::Never => "Never",
                }
                .to_owned(),
                from: From::new(&resolved.restart.origin),
            },
            init_containers: Vec::new(),
            containers: Vec::new(),
        }
    }

    /// The same report without containers.
    pub(crate) fn empty(&self) -> Self {
        Self { init_containers: Vec::new(), containers: Vec::new(), ..self.clone() }
    }

    /// Adds a container, in the place of what was reported of it before.
    pub(crate) fn put(&mut self, list: List, container: Container) {
        let all = match list {
            List::Init => &mut self.init_containers,
            List::Regular => &mut self.containers,
        };
        match all.iter_mut().find(|it| it.name == container.name) {
            Some(before) => *before = container,
            None => all.push(container),
        }
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// None that a report can bring about: all of it can be written as JSON.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Reads a report that was kept.
    ///
    /// # Errors
    ///
    /// If it is something else, or of another version.
    pub(crate) fn from_json(text: &str) -> Result<Self, String> {
        let report: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if report.api_version == API_VERSION && report.kind == KIND {
            return Ok(report);
        }
        let Self { api_version, kind, .. } = report;
        Err(format!("expected {KIND} in {API_VERSION}, found {kind} in {api_version}"))
    }
}

impl Container {
    /// What was meant for a container beside what was found, mechanism by mechanism.
    pub(crate) fn new(
        name: &str,
        declared: &BTreeMap<Mechanism, Declared>,
        findings: &[Finding],
    ) -> Self {
        let found: BTreeMap<&Mechanism, &Finding> =
            findings.iter().map(|it| (&it.mechanism, it)).collect();
        let all: BTreeSet<&Mechanism> = declared.keys().chain(found.keys().copied()).collect();
        let line = |it: &Mechanism| Line::new(it, declared.get(it), found.get(it).copied());
        Self { name: name.to_owned(), mechanisms: all.into_iter().map(line).collect() }
    }
}

impl Line {
    fn new(mechanism: &Mechanism, declared: Option<&Declared>, found: Option<&Finding>) -> Self {
        Self {
            mechanism: mechanism.to_string(),
            declared: declared.map(|it| it.value.clone()).unwrap_or_default(),
            from: declared.map(|it| From::new(&it.origin)),
            kernel: found.map(|it| it.seen.clone()),
            verdict: found.map_or(Verdict::NotJudged, |it| Verdict::new(&it.verdict)),
            detail: found.and_then(|it| it.verdict.detail()).map(str::to_owned),
        }
    }
}

impl From {
    fn new(origin: &Origin) -> Self {
        let source = match origin {
            Origin::Declared(_) => Source::Field,
            Origin::Annotation(_) => Source::Annotation,
            Origin::Image(_) => Source::Image,
            Origin::Node(_) => Source::Node,
            Origin::Default(_) => Source::Default,
        };
        Self { source, text: origin.to_string(), place: origin.place().map(Place::new) }
    }
}

impl Place {
    fn new(place: &spec::Place) -> Self {
        let start = place.span.map(|it| it.start);
        Self {
            path: place.path.to_string(),
            file: place.file.to_string(),
            line: start.map(|it| it.line),
            column: start.map(|it| it.column),
        }
    }
}

impl Verdict {
    const fn new(verdict: &confine::Verdict) -> Self {
        match verdict {
            confine::Verdict::Holds => Self::Holds,
            confine::Verdict::Adjusted(_) => Self::Adjusted,
            confine::Verdict::Tighter(_) => Self::Tighter,
            confine::Verdict::Different(_) => Self::Different,
            confine::Verdict::Unproven(_) => Self::Unproven,
            confine::Verdict::Weaker(_) => Self::Weaker,
            confine::Verdict::Unreadable(_) => Self::Unreadable,
        }
    }

    /// The word for it in a table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Holds => "ok",
            Self::Adjusted => "adjusted",
            Self::Tighter => "tighter",
            Self::Different => "different",
            Self::Unproven => "not proven",
            Self::Weaker => "WEAKER",
            Self::Unreadable => "could not tell",
            Self::NotJudged => "-",
        }
    }
}

const API_VERSION: &str = "stockade.dev/v1alpha1";
const KIND: &str = "ConfinementReport";

#[cfg(test)]
mod tests;
