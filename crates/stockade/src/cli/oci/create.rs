//! `stockade oci create`.

use std::path::PathBuf;

use stockade_runtime::bundle::{Insistence, Store, create, delete};

use super::judged::Said;
use super::{Id, pid_file};
use crate::answer::{Answer, Failure};

/// Make a container, up to its start
///
/// It waits, with everything in force but what comes after the word to start, until `start` gives
/// that word.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,

    #[command(flatten)]
    pub(super) bundle: Bundle,
}

/// Where it comes from.
#[derive(Debug, clap::Args)]
pub(super) struct Bundle {
    /// Directory of the bundle
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    pub(super) bundle: PathBuf,

    /// Write the number of the container's process to FILE
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,

    /// Where to send the container's terminal; not supported yet
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
}

impl Bundle {
    /// Refuses what is asked for and not done.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &self.console_socket {
            None => Ok(()),
            Some(_) => Err(Failure::question("`--console-socket` is not supported by this build")),
        }
    }
}

pub(super) fn run(args: &Args, store: &Store) -> Result<Answer, Failure> {
    let Args { id: Id { id }, bundle } = args;
    bundle.check()?;
    let judged = Said::read(&bundle.bundle)?.judge()?;
    let plan = judged.plan()?;
    let cgroups = &judged.host.cgroups;
    let made = create(store, cgroups, judged.making(id, &plan)?).map_err(Failure::unanswered)?;
    if let Some(path) = &bundle.pid_file
        && let Err(failure) = pid_file::write(path, made.pid)
    {
        delete(store, cgroups, id, Insistence::Force).map_err(Failure::unanswered)?;
        return Err(failure);
    }
    Ok(Answer::Yes)
}
