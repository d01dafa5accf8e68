//! `stockade seccomp`: seccomp profiles by themselves, apart from any pod.
//!
//! One file and one variant for each subcommand. What a profile means is the engine's to say
//! (`stockade-seccomp`); here it is read ([`profile`]), asked about a machine ([`target`]) and shown.

mod compile;
mod fmt;
mod profile;
mod target;

use clap::Subcommand;

use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Check, compare, change and compile seccomp profiles
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Compile(compile::Args),
    Fmt(fmt::Args),
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    match &args.command {
        Command::Compile(args) => compile::run(args, ui),
        Command::Fmt(args) => fmt::run(args, ui),
    }
}
