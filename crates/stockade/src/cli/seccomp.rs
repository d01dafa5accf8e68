//! `stockade seccomp`: seccomp profiles by themselves, apart from any pod.
//!
//! One file and one variant for each subcommand. What a profile means is the engine's to say
//! (`stockade-seccomp`); here it is read ([`profile`]), asked about a machine ([`target`]) and shown.

mod changed;
mod check;
mod compile;
mod convert;
mod diff;
mod differences;
mod explain;
mod fmt;
mod intersect;
mod overlay;
mod profile;
mod subset;
mod target;
mod union;
mod written;

use clap::{Subcommand, ValueEnum};

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
    Check(check::Args),
    Compile(compile::Args),
    Convert(convert::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Fmt(fmt::Args),
    Intersect(intersect::Args),
    Overlay(overlay::Args),
    Subset(subset::Args),
    Union(union::Args),
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// As JSON, versioned.
    Json,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    match &args.command {
        Command::Check(args) => check::run(args, ui),
        Command::Compile(args) => compile::run(args, ui),
        Command::Convert(args) => convert::run(args, ui),
        Command::Diff(args) => diff::run(args, ui),
        Command::Explain(args) => explain::run(args, ui),
        Command::Fmt(args) => fmt::run(args, ui),
        Command::Intersect(args) => intersect::run(args, ui),
        Command::Overlay(args) => overlay::run(args, ui),
        Command::Subset(args) => subset::run(args, ui),
        Command::Union(args) => union::run(args, ui),
    }
}
