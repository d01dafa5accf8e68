//! `stockade oci start`.

use stockade_runtime::bundle::{Store, config, start_held, state};

use super::judged::Said;
use super::{Id, proof};
use crate::answer::{Answer, Failure};

/// Start a container that was created
///
/// It is held at its first instruction and compared with the bundle as it was when the container
/// was created; if it is less confined, it is killed and does not run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,
}

pub(super) fn run(args: &Args, store: &Store) -> Result<Answer, Failure> {
    let Args { id: Id { id } } = args;
    let directory = state(store, id).map_err(Failure::unanswered)?.record.bundle;
    let config = config(store, id).map_err(Failure::unanswered)?;
    let judged = Said { directory, config }.judge()?;
    let held = start_held(store, id).map_err(Failure::unanswered)?;
    proof::prove(held, &judged)?.release().map_err(Failure::unanswered)?;
    Ok(Answer::Yes)
}
