//! `stockade seccomp fmt`.

use std::fs;
use std::path::Path;

use super::profile;
use crate::answer::{Answer, Failure};
use crate::ui::{Ui, plain};

/// Print a profile in its canonical form
///
/// Fields in a fixed order, the names of a rule sorted and filling their lines, no field that says
/// nothing. The meaning, the order of the rules and their comments stay.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: profile::File,

    /// Write the form back to the file
    #[arg(long, conflicts_with = "check")]
    write: bool,

    /// Print nothing; exit with 1 if the file has another form
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let path = &args.file.profile;
    let source = profile::read(path, ui)?;
    let text = source.profile.canonical().to_json();
    if args.check {
        if text == source.text {
            return Ok(Answer::Yes);
        }
        return Err(Failure::new(
            Answer::No,
            format!("{} is not in canonical form", plain(&source.file)),
        )
        .hint("`stockade seccomp fmt --write` changes it"));
    }
    if !args.write {
        ui.out(&text)?;
        return Ok(Answer::Yes);
    }
    if [profile::RUNTIME_DEFAULT, "-", "/dev/stdin"].map(Path::new).contains(&path.as_path()) {
        return Err(Failure::question("there is no file to write to"));
    }
    if text != source.text {
        let failed =
            |error| Failure::unanswered(format!("cannot write {}: {error}", plain(&source.file)));
        fs::write(path, &text).map_err(failed)?;
    }
    Ok(Answer::Yes)
}
