//! `stockade seccomp diff`.

use std::path::PathBuf;

use super::{Format, differences, profile, target};
use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Show on which calls two profiles differ
///
/// Compares what the profiles mean, not how they are written: every system call of every
/// architecture that the machine runs, for all arguments. `weaker` is what the second lets happen
/// and the first does not. Exits with 0 if there is no difference, 1 if there is one, 3 if that could
/// not be decided.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profile: a file, `-`, or `RuntimeDefault` for the built-in one
    first: PathBuf,

    /// Profile to compare it with
    second: PathBuf,

    #[command(flatten)]
    target: target::Machine,

    /// How to show what was found
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let target = args.target.target()?;
    let first = profile::read(&args.first, ui)?;
    let second = profile::read(&args.second, ui)?;
    differences::answer([&first, &second], &target, |_| true, args.output, ui)
}
