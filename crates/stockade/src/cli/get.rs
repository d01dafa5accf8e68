//! `stockade get`.

mod words;

use std::fmt::Write as _;

use serde_json::{Value, json};
use stockade_runtime::pod::{ContainerState, ContainerStatus, Kind};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::pods::{self, Found};
use crate::ui::Ui;

/// List pods
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `pod` or `pods`
    #[arg(value_name = "KIND")]
    kind: String,

    /// Names of pods (default: all)
    #[arg(value_name = "POD")]
    names: Vec<String>,

    /// How to print
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Output>,

    /// Namespace
    #[arg(short, long, default_value = "default", conflicts_with = "all_namespaces")]
    namespace: String,

    /// Pods of every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// How to print pods.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Output {
    /// With the processes of their containers.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// `pod/NAME`, one per line.
    Name,
}

pub(crate) fn run(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let (kind, in_kind) = match args.kind.split_once('/') {
        Some((kind, name)) => (kind, Some(name.to_owned())),
        None => (args.kind.as_str(), None),
    };
    if !["pod", "pods", "po"].contains(&kind) {
        return Err(Failure::question(format!("there are pods only, no {:?}", args.kind)));
    }
    let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
    let names: Vec<String> = in_kind.into_iter().chain(args.names).collect();
    let mut answer = Answer::Yes;
    let found = if names.is_empty() {
        pods::all(globals, namespace)?
    } else {
        let mut found = Vec::new();
        for name in &names {
            match pods::find(globals, &args.namespace, name) {
                Ok(one) => found.push(one),
                Err(failure) => answer = ui.failure(&failure),
            }
        }
        found
    };
    match args.output {
        None | Some(Output::Wide) if found.is_empty() && names.is_empty() => {
            let place = namespace.map_or(String::new(), |it| format!(" in {it} namespace"));
            ui.note(&format!("No resources found{place}."));
        }
        None => ui.out(&table(&found, args.all_namespaces, false))?,
        Some(Output::Wide) => ui.out(&table(&found, args.all_namespaces, true))?,
        Some(Output::Name) => {
            let names = found.iter().map(|it| format!("pod/{}\n", it.directory.id().name()));
            ui.out(&names.collect::<String>())?;
        }
        Some(Output::Json) => {
            let text = serde_json::to_string_pretty(&document(&found, &names)?);
            ui.out(&(text.map_err(Failure::unanswered)? + "\n"))?;
        }
        Some(Output::Yaml) => ui.out(&crate::yaml::print(&document(&found, &names)?))?,
    }
    Ok(answer)
}

fn table(found: &[Found], namespaces: bool, wide: bool) -> String {
    let mut rows = vec![row(
        namespaces,
        wide,
        "NAMESPACE",
        ["NAME", "READY", "STATUS", "RESTARTS", "STARTED"],
        "PIDS",
    )];
    for Found { directory, status } in found {
        let started = status.started_at.split('.').next().unwrap_or_default();
        let pids: Vec<String> =
            status.containers.iter().filter_map(|it| Some(pid(&it.state)?.to_string())).collect();
        rows.push(row(
            namespaces,
            wide,
            directory.id().namespace(),
            [
                directory.id().name(),
                &words::ready(status),
                &words::phase(status),
                &words::restarts(status).to_string(),
                started,
            ],
            &pids.join(","),
        ));
    }
    align(&rows)
}

fn row(namespaces: bool, wide: bool, namespace: &str, cells: [&str; 5], pids: &str) -> Vec<String> {
    let namespace = namespaces.then(|| namespace.to_owned());
    let pids = wide.then(|| pids.to_owned());
    namespace.into_iter().chain(cells.map(ToOwned::to_owned)).chain(pids).collect()
}

fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // Writing to a string cannot fail.
            write!(line, "{cell:<width$}   ", width = width(column)).ok();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const fn pid(state: &ContainerState) -> Option<i32> {
    match state {
        ContainerState::Running { pid, .. } => Some(*pid),
        ContainerState::Waiting { .. } | ContainerState::Ended { .. } => None,
    }
}

/// One pod as an object, several as a list, as kubectl does.
fn document(found: &[Found], names: &[String]) -> Result<Value, Failure> {
    let items: Result<Vec<Value>, Failure> = found.iter().map(object).collect();
    let mut items = items?;
    if names.len() == 1 && items.len() == 1 {
        return Ok(items.remove(0));
    }
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// The manifest as it was said, with its status.
pub(crate) fn object(found: &Found) -> Result<Value, Failure> {
    let said = pods::said(&found.directory)?;
    let mut pod = serde_json::to_value(&said.object).map_err(Failure::unanswered)?;
    let (regular, init): (Vec<&ContainerStatus>, Vec<_>) =
        found.status.containers.iter().partition(|it| it.kind == Kind::Regular);
    let of = |all: Vec<&ContainerStatus>| all.into_iter().map(container).collect::<Vec<Value>>();
    pod["status"] = json!({
        "phase": found.status.phase.to_string(),
        "startTime": found.status.started_at,
        "containerStatuses": of(regular),
    });
    if !init.is_empty() {
        pod["status"]["initContainerStatuses"] = json!(of(init));
    }
    if let Some(message) = &found.status.message {
        pod["status"]["message"] = json!(message);
    }
    Ok(pod)
}

fn container(status: &ContainerStatus) -> Value {
    let is_ready = match (status.kind, &status.state) {
        // An init container is ready when it is done.
        (Kind::Init, ContainerState::Ended { exit, .. }) => exit.shell_code() == Some(0),
        (Kind::Init, _) => false,
        (Kind::Sidecar | Kind::Regular, _) => words::is_ready(status),
    };
    json!({
        "name": status.name,
        "restartCount": status.restarts,
        "ready": is_ready,
        "state": state(&status.state),
    })
}

fn state(state: &ContainerState) -> Value {
    match state {
        ContainerState::Waiting { reason } => json!({"waiting": {"reason": reason}}),
        ContainerState::Running { pid, since } => {
            json!({"running": {"startedAt": since, "pid": pid}})
        }
        ContainerState::Ended { exit, at } => json!({"terminated": {
            "exitCode": exit.shell_code(),
            "finishedAt": at,
            "message": exit.to_string(),
        }}),
    }
}
