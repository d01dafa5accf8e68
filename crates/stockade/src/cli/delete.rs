//! `stockade delete`.

use std::path::PathBuf;
use std::time::Duration;

use stockade_runtime::pod::{Patience, end};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::pods::{self, Found};
use crate::ui::Ui;

/// Stop pods and remove everything that belongs to them
///
/// A pod whose supervisor was killed is removed like any other.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `pod` or `pods`, then names; or names alone, `pod/NAME` too
    #[arg(value_name = "POD")]
    names: Vec<String>,

    /// Delete the pods of a manifest: a file, a directory, or `-` for standard input
    #[arg(short, long = "filename", value_name = "FILE", conflicts_with = "all")]
    filename: Vec<PathBuf>,

    /// Delete every pod of the namespace
    #[arg(long)]
    all: bool,

    /// Namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,

    /// Seconds that containers get to end; 0 kills them at once (default: as the manifest says)
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<u64>,

    /// Kill at once
    #[arg(long, alias = "now")]
    force: bool,

    /// Do not complain about pods that do not exist
    #[arg(long)]
    ignore_not_found: bool,
}

pub(crate) fn run(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let cgroups = stockade_observe::host().map_err(Failure::unanswered)?.cgroups;
    let patience = match (args.force, args.grace_period) {
        (true, _) | (_, Some(0)) => Patience::None,
        (false, Some(seconds)) => Patience::AsDeclared(Duration::from_secs(seconds)),
        (false, None) => Patience::AsDeclared(LONGEST),
    };
    let mut answer = Answer::Yes;
    for target in targets(&args, globals)? {
        match target {
            Ok(Found { directory, status: _ }) => {
                end(&directory, &cgroups, patience).map_err(|error| {
                    Failure::unanswered(format!("pod {}: {error}", directory.id()))
                })?;
                ui.out(&format!("pod {:?} deleted\n", directory.id().name()))?;
            }
            Err(_) if args.ignore_not_found => {}
            Err(failure) => answer = ui.failure(&failure),
        }
    }
    Ok(answer)
}

fn targets(args: &Args, globals: &Globals) -> Result<Vec<Result<Found, Failure>>, Failure> {
    if args.all {
        return Ok(pods::all(globals, Some(&args.namespace))?.into_iter().map(Ok).collect());
    }
    let mut all = Vec::new();
    for (namespace, name) in crate::prepare::names(&args.filename)? {
        let namespace = namespace.unwrap_or_else(|| args.namespace.clone());
        all.push(pods::find(globals, &namespace, &name));
    }
    let names = match args.names.split_first() {
        Some((kind, rest)) if ["pod", "pods", "po"].contains(&kind.as_str()) => rest,
        _ => &args.names,
    };
    all.extend(names.iter().map(|name| pods::find(globals, &args.namespace, name)));
    if all.is_empty() {
        return Err(Failure::question(
            "nothing to delete is named: a pod's name, -f FILE or --all",
        ));
    }
    Ok(all)
}

/// A supervisor keeps the time of its manifest; nobody waits longer than this for it.
const LONGEST: Duration = Duration::from_secs(3600);
