//! `stockade describe`.

use std::fmt::Write as _;

use stockade_runtime::pod::{Condition, ContainerState, ContainerStatus, Kind};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::pods::{self, Found};
use crate::report::{Report, table};
use crate::ui::Ui;

/// Show a pod: its state, and the proof of its confinement from when it was started
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `pod`
    #[arg(value_name = "KIND")]
    kind: String,

    /// Name of the pod
    #[arg(value_name = "POD")]
    name: Option<String>,

    /// Namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

pub(crate) fn run(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let name = match (&args.name, args.kind.split_once('/')) {
        (Some(name), _) => name.as_str(),
        (None, Some((_, name))) => name,
        (None, None) => return Err(Failure::question("which pod? `stockade describe pod NAME`")),
    };
    let found = pods::find(globals, &args.namespace, name)?;
    ui.out(&state(&found))?;
    match std::fs::read_to_string(found.directory.join("report.json")) {
        Ok(kept) => {
            let report = Report::from_json(&kept).map_err(Failure::unanswered)?;
            ui.out(&format!("\n{}\n", table(&report, ui.columns())))?;
        }
        Err(_) => ui.note("there is no report of its confinement"),
    }
    Ok(Answer::Yes)
}

fn state(found: &Found) -> String {
    let Found { directory, status } = found;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name:<12} {value}").ok();
    };
    line("Name:", directory.id().name());
    line("Namespace:", directory.id().namespace());
    line("Status:", &status.phase.to_string());
    line("Started:", &status.started_at);
    if let Some(message) = &status.message {
        line("Message:", message);
    }
    let (regular, init): (Vec<&ContainerStatus>, Vec<_>) =
        status.containers.iter().partition(|it| it.kind == Kind::Regular);
    containers(&mut text, "Init containers:", &init);
    containers(&mut text, "Containers:", &regular);
    text
}

fn containers(text: &mut String, heading: &str, all: &[&ContainerStatus]) {
    if all.is_empty() {
        return;
    }
    writeln!(text, "{heading}").ok();
    for container in all {
        let state = match &container.state {
            ContainerState::Waiting { reason } => format!("waiting ({reason})"),
            ContainerState::Running { pid, since } => {
                let condition = match container.condition {
                    None | Some(Condition::Ready) => "",
                    Some(Condition::Started) => ", not ready",
                    Some(Condition::Starting) => ", starting",
                };
                format!("running as process {pid} since {since}{condition}")
            }
            ContainerState::Ended { exit, at } => format!("ended with {exit} at {at}"),
        };
        writeln!(text, "  {}: {state}; {} restarts", container.name, container.restarts).ok();
    }
}
