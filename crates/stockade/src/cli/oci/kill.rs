//! `stockade oci kill`.

use rustix::process::Signal;
use stockade_runtime::bundle::{Store, Whom, kill};

use super::Id;
use crate::answer::{Answer, Failure};
use crate::signal;

/// Send a signal to a container
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,

    /// Name or number of the signal
    #[arg(value_parser = parse, default_value = "TERM")]
    signal: Signal,

    /// Send it to every process of the container
    #[arg(short, long)]
    all: bool,
}

pub(super) fn run(args: &Args, store: &Store) -> Result<Answer, Failure> {
    let Args { id: Id { id }, signal, all } = args;
    let whom = if *all { Whom::All } else { Whom::First };
    let cgroups = match whom {
        // Its process is known by number.
        Whom::First => stockade_abi::host::Cgroups::default(),
        Whom::All => stockade_observe::cgroups().map_err(Failure::unanswered)?,
    };
    kill(store, &cgroups, id, *signal, whom).map_err(Failure::unanswered)?;
    Ok(Answer::Yes)
}

fn parse(text: &str) -> Result<Signal, String> {
    signal::parse(text).ok_or_else(|| format!("{text:?} is not a signal"))
}
