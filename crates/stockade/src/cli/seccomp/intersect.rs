//! `stockade seccomp intersect`.

use std::path::PathBuf;

use stockade_seccomp::intersect;

use super::{changed, profile};
use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Print a profile that lets happen what both of two do
///
/// Every call gets the stricter of two answers. The result is proven: on every machine and with all
/// capabilities. If no profile says exactly that, the call that shows it is named.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profile: a file, `-`, or `RuntimeDefault` for the built-in one
    first: PathBuf,

    /// Another profile
    second: PathBuf,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let first = profile::read(&args.first, ui)?;
    let second = profile::read(&args.second, ui)?;
    changed::answer(intersect(&first.profile, &second.profile), &[&first, &second], ui)
}
