//! `stockade create` and `stockade apply`.

use std::path::PathBuf;

use stockade_confine::RestartDefault;
use stockade_runtime::pod::{Patience, PodId, Pods, end};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::events::{Event, let_go, listen};
use crate::launch::{Launched, Mode, launch};
use crate::paths::Roots;
use crate::prepare::{Prepared, Request, prepare};
use crate::report::{Report, table};
use crate::settings::NodeArgs;
use crate::ui::Ui;

/// Start pods that go on by themselves
///
/// Each is confined and proven before it runs; `stockade describe pod NAME` shows the proof. With init
/// containers this is the first of them: the pod goes on by itself from there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Manifest: a file, a directory, or `-` for standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,

    /// Namespace of pods that name none
    #[arg(short, long)]
    namespace: Option<String>,

    #[command(flatten)]
    node: NodeArgs,
}

pub(crate) fn run(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let roots = globals.roots()?;
    for pod in prepared(&args, &roots, ui)? {
        create(&pod, &roots, ui)?;
    }
    Ok(Answer::Yes)
}

/// Like `create`, but a pod that is there already as it is said is left alone.
pub(crate) fn apply(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let roots = globals.roots()?;
    let mut answer = Answer::Yes;
    for pod in prepared(&args, &roots, ui)? {
        match existing(&pod, &roots) {
            None => create(&pod, &roots, ui)?,
            Some(said) if said.object == pod.pod.object => {
                ui.out(&format!("pod/{} unchanged\n", pod.pod.name()))?;
            }
            Some(_) => {
                let name = pod.pod.name();
                let what =
                    format!("pod {name:?} is there and says something else; pods do not change");
                let hint = format!("`stockade delete {name}` first");
                answer = ui.failure(&Failure::new(Answer::No, what).hint(hint));
            }
        }
    }
    Ok(answer)
}

fn prepared(args: &Args, roots: &Roots, ui: &mut Ui) -> Result<Vec<Prepared>, Failure> {
    let request = Request {
        inputs: &args.filename,
        namespace: args.namespace.as_deref(),
        restart: RestartDefault::Always,
        node: &args.node,
    };
    prepare(&request, &roots.images()?, ui)
}

fn existing(pod: &Prepared, roots: &Roots) -> Option<stockade_spec::Pod> {
    let id = PodId::new(pod.pod.namespace(), pod.pod.name())?;
    let directory = Pods::below(&roots.run).pod(&id);
    directory.exists().then(|| crate::pods::said(&directory).ok())?
}

fn create(pod: &Prepared, roots: &Roots, ui: &mut Ui) -> Result<(), Failure> {
    let Launched { mut supervisor, events, directory } = launch(pod, roots, Mode::Detached, ui)?;
    let mut failure = Failure::unanswered("the pod's supervisor was killed before the pod ran");
    for event in listen(&events) {
        match event {
            Event::Proven { .. } => {}
            Event::MayRun => let_go(&events),
            Event::Running => return ui.out(&format!("pod/{} created\n", pod.pod.name())),
            Event::NotStarted { message, unproven, exec_errno: _ } => {
                if let Some((list, container)) = unproven {
                    let mut report = Report::new(pod.runnable.resolved());
                    report.put(list, container);
                    ui.err(&(table(&report, ui.error_columns()) + "\n"));
                }
                failure = Failure::new(Answer::No, message);
                break;
            }
            Event::Ended { .. } | Event::Over { .. } => break,
        }
    }
    supervisor.wait().map_err(Failure::unanswered)?;
    end(&directory, &pod.host.cgroups, Patience::None).map_err(Failure::unanswered)?;
    Err(failure)
}
