//! `stockade run`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stockade_confine::RestartDefault;
use stockade_runtime::pod::{Exit, Patience, end};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::events::{Event, let_go, listen};
use crate::foreground::Terminal;
use crate::launch::{Launched, Mode, launch};
use crate::prepare::{Prepared, Request, prepare};
use crate::report::{Report, continued, table};
use crate::settings::NodeArgs;
use crate::ui::Ui;

/// Start a pod, prove its confinement, and stay until it ends
///
/// Prints, for each container, what was declared, where that comes from, and what the kernel says,
/// before the container runs. Exits with the code of the workload: of several containers, the first
/// that is not zero, init containers before the others and sidecars not counted. Everything is removed when the pod ends.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Manifest of the pod, and of what it takes variables and files from: files, directories, or
    /// `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "filename")]
    file: Vec<PathBuf>,

    /// The same
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    filename: Vec<PathBuf>,

    /// Namespace of a pod that names none
    #[arg(short, long)]
    namespace: Option<String>,

    /// Print no report
    #[arg(short, long)]
    quiet: bool,

    /// How to print the report; standard output is the workload's, the report goes to standard
    /// error
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,

    /// Write the report to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    node: NodeArgs,
}

pub(crate) fn run(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    run_pod(&args, globals, ui).map_err(Failure::instead_of_a_workload)
}

fn run_pod(args: &Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let roots = globals.roots()?;
    let inputs: Vec<PathBuf> = args.file.iter().chain(&args.filename).cloned().collect();
    let request = Request {
        inputs: &inputs,
        namespace: args.namespace.as_deref(),
        restart: RestartDefault::Never,
        node: &args.node,
    };
    let mut pods = prepare(&request, &roots.images()?, ui)?;
    let (Some(pod), true) = (pods.pop(), pods.is_empty()) else {
        return Err(Failure::question("`run` starts one pod, and there are several")
            .hint("`stockade create -f` starts any number"));
    };
    let terminal = Terminal::prepare(&pod)?;
    let launched = launch(&pod, &roots, Mode::Foreground, ui)?;
    let outcome = attend(args, &pod, launched, ui);
    drop(terminal);
    outcome
}

/// Tells what happens until the pod is over, and removes it.
fn attend(args: &Args, pod: &Prepared, launched: Launched, ui: &mut Ui) -> Result<Answer, Failure> {
    let Launched { mut supervisor, events, directory } = launched;
    let forwarding = crate::foreground::forward_signals(&supervisor)?;
    let resolved = pod.runnable.resolved();
    let mut report = Report::new(resolved);
    let mut fresh = report.clone();
    let mut turns = 0;
    let mut answer = Err(Failure::unanswered("the pod's supervisor was killed: exit code unknown"));
    for event in listen(&events) {
        match event {
            Event::Proven { list, container, pid: _ } => {
                report.put(list, container.clone());
                fresh.put(list, container);
            }
            Event::MayRun => {
                show(args, &report, &fresh, turns, ui)?;
                fresh = report.empty();
                turns += 1;
                let_go(&events);
            }
            Event::Running | Event::Ended { .. } => {}
            Event::NotStarted { message, unproven, exec_errno } => {
                if let Some((list, container)) = unproven {
                    fresh = report.empty();
                    fresh.put(list, container);
                    ui.err(&(table(&fresh, ui.error_columns()) + "\n"));
                }
                answer = Err(Failure::new(refused(exec_errno), message));
            }
            Event::Over { exits } => answer = Ok(workload(&exits)),
        }
    }
    drop(forwarding);
    supervisor.wait().map_err(Failure::unanswered)?;
    end(&directory, &pod.host.cgroups, Patience::None).map_err(Failure::unanswered)?;
    answer
}

/// How to print a report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    /// A table.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// Writes the report as far as it has got, and prints what is new in it.
fn show(
    args: &Args,
    report: &Report,
    fresh: &Report,
    turns_before: usize,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let json = |it: &Report| it.to_json().map_err(Failure::unanswered);
    if let Some(path) = &args.report {
        std::fs::write(path, json(report)? + "\n")
            .map_err(|error| Failure::unanswered(format!("{}: {error}", path.display())))?;
    }
    match args.output {
        Format::Text if args.quiet => {}
        Format::Text if turns_before == 0 => ui.err(&(table(fresh, ui.error_columns()) + "\n")),
        Format::Text => ui.err(&(continued(fresh, ui.error_columns()) + "\n")),
        Format::Json => ui.err(&(json(fresh)? + "\n")),
    }
    Ok(())
}

/// As shells tell a program that is not there from one that cannot be executed.
pub(super) fn refused(exec_errno: Option<u16>) -> Answer {
    const ENOENT: u16 = 2;
    match exec_errno {
        Some(ENOENT) => Answer::NotFound,
        Some(_) => Answer::NotExecutable,
        None => Answer::NotStarted,
    }
}

/// The first code that is not zero: init containers first, each list in the manifest's order.
fn workload(exits: &[(String, Exit)]) -> Answer {
    let codes: BTreeMap<usize, Option<i32>> =
        exits.iter().enumerate().map(|(index, (_, exit))| (index, exit.shell_code())).collect();
    match codes.values().find(|it| **it != Some(0)) {
        None => Answer::Workload(0),
        Some(Some(code)) => Answer::Workload(u8::try_from(*code).unwrap_or(u8::MAX)),
        Some(None) => Answer::NotStarted,
    }
}
