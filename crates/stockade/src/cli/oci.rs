//! `stockade oci`: the commands of a container runtime, on OCI bundles.
//!
//! ```text
//! create ─▶ created ─ start ─▶ running ─▶ stopped ─ delete ─▶ nothing
//!                    (proven)
//! ```
//!
//! Engines call this program once for every step, so it has a way in of its own beside that of the
//! whole command line, which reads what it needs and nothing else. As engines expect it, standard
//! error is empty unless something failed, and then the code is 1.

mod create;
mod delete;
mod judged;
mod kill;
mod pid_file;
mod proof;
mod run;
mod start;
mod state;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stockade_runtime::bundle::{ContainerId, Store};

use super::{Color, Globals};
use crate::answer::{Answer, Failure};
use crate::paths::Roots;
use crate::ui::Ui;

/// The name under which this program is nothing but `stockade oci`.
pub(crate) const ALONE: &str = "stockade-oci";

/// Run containers from OCI bundles, one step at a time
///
/// What a container runtime does below an engine. A container is proven at its start like any other:
/// if the kernel shows it less confined than its bundle says, it is killed and does not run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::Args),
    Delete(delete::Args),
    Kill(kill::Args),
    Run(run::Args),
    Start(start::Args),
    State(state::Args),
}

/// Run containers from OCI bundles, one step at a time
#[derive(Debug, Parser)]
#[command(name = "stockade oci", version, max_term_width = 100, disable_help_subcommand = true)]
struct Line {
    /// Directory of the containers; with STOCKADE_ROOT it is `run/oci` there
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    args: Args,
}

/// Does what the command line says, if it says `oci` first.
pub(crate) fn main(mut arguments: Vec<OsString>) -> ExitCode {
    if arguments.get(1).is_some_and(|it| it == "oci") {
        arguments.remove(1);
    }
    let Line { root, args } = match Line::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Nobody may be there to read it, and the code is the same.
            drop(error.print());
            return if error.use_stderr() { Answer::No.into() } else { Answer::Yes.into() };
        }
    };
    let answer = store(root.as_deref()).and_then(|store| args.command.run(&store));
    // Made late: it asks for terminals and colours, and mostly there is nothing to say.
    answer.unwrap_or_else(|failure| Ui::new(Color::Auto).failure(&as_runtime(failure))).into()
}

/// The same from within the whole command line.
pub(super) fn run(args: Args, globals: &Globals, _: &mut Ui) -> Result<Answer, Failure> {
    let root = Roots::bundles(globals.root.as_deref())?;
    let store = Store::open(&root).map_err(Failure::unanswered).map_err(as_runtime)?;
    args.command.run(&store).map_err(as_runtime)
}

impl Command {
    fn run(self, store: &Store) -> Result<Answer, Failure> {
        match self {
            Self::Create(args) => create::run(&args, store),
            Self::Delete(args) => delete::run(&args, store),
            Self::Kill(args) => kill::run(&args, store),
            Self::Run(args) => run::run(&args, store),
            Self::Start(args) => start::run(&args, store),
            Self::State(args) => state::run(&args, store),
        }
    }
}

fn store(root: Option<&Path>) -> Result<Store, Failure> {
    let root = match root {
        Some(root) => std::path::absolute(root)
            .map_err(|error| Failure::question(format!("--root: {error}")))?,
        None => Roots::bundles(std::env::var_os("STOCKADE_ROOT").map(PathBuf::from).as_deref())?,
    };
    Store::open(&root).map_err(Failure::unanswered)
}

/// What went wrong is one code to an engine.
fn as_runtime(failure: Failure) -> Failure {
    match failure {
        Failure::Said(_) => Failure::Said(Answer::No),
        Failure::Message { answer: _, what, hint } => {
            Failure::Message { answer: Answer::No, what, hint }
        }
    }
}

/// Which container.
#[derive(Debug, clap::Args)]
struct Id {
    /// Name of the container
    id: ContainerId,
}
