//! `stockade oci delete`.

use stockade_runtime::bundle::{Insistence, Store, delete};

use super::Id;
use crate::answer::{Answer, Failure};

/// Remove all that is left of a container
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,

    /// Kill it if it has not stopped; that there is none is no error then
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(args: &Args, store: &Store) -> Result<Answer, Failure> {
    let insistence = if args.force { Insistence::Force } else { Insistence::IfStopped };
    let cgroups = stockade_observe::cgroups().map_err(Failure::unanswered)?;
    delete(store, &cgroups, &args.id.id, insistence).map_err(Failure::unanswered)?;
    Ok(Answer::Yes)
}
