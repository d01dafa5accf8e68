//! `stockade seccomp overlay`.

use stockade_seccomp::{Change, Pattern, overlay};

use super::{changed, profile};
use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Deny or allow single calls in a profile
///
/// Prints the changed profile, which is proven to differ from the old one in just that, on every
/// machine and with all capabilities. A call is `NAME` or `NAME(ARGUMENT, …)`; an argument is a
/// number, a constant (`AF_ALG`, `CLONE_NEWUSER`), a comparison (`>=5`, `& 3 == 1`, `arg4 != 0`)
/// or `_`. Where a denied call was also allowed, it is denied.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: profile::File,

    /// Deny CALL: `socket(AF_ALG)`, `clone3=ENOSYS` (can be repeated)
    #[arg(long, value_name = "CALL[=ERROR]")]
    deny: Vec<String>,

    /// Allow CALL, or log it: `openat2`, `ptrace=log` (can be repeated)
    #[arg(long, value_name = "CALL[=log]")]
    allow: Vec<String>,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    if args.deny.is_empty() && args.allow.is_empty() {
        return Err(Failure::question("there is nothing to change").hint("name a call with --deny"));
    }
    let mut patterns = Vec::new();
    for (all, change) in [(&args.allow, Change::Allow), (&args.deny, Change::Deny)] {
        for text in all {
            patterns.extend(Pattern::parse(text, change).map_err(Failure::question)?);
        }
    }
    let source = profile::read(&args.file.profile, ui)?;
    changed::answer(overlay(&source.profile, &patterns), &[&source], ui)
}
