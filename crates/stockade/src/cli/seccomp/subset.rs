//! `stockade seccomp subset`.

use std::path::PathBuf;

use stockade_seccomp::Verdict;

use super::{Format, differences, profile, target};
use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Check that a profile is at most as permissive as another
///
/// Exits with 0 if the second profile lets everything happen that the first does, with 1 if not (and
/// shows what the first lets happen beyond it), with 3 if that could not be decided. An error with
/// another number is as permissive.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profile: a file, `-`, or `RuntimeDefault` for the built-in one
    first: PathBuf,

    /// Profile that it is to stay within
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
    let exceeds = |it| it == Verdict::Tighter;
    differences::answer([&first, &second], &target, exceeds, args.output, ui)
}
