//! `stockade seccomp fmt`.

use std::path::Path;
use std::{fs, io};

use super::profile::{self, Source};
use super::written::Kept;
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
    let Source { written, profile } = profile::read(path, ui)?;
    let text = profile.canonical().to_json();
    let file = plain(&written.file);
    if (args.check || args.write) && (written.object.is_some() || written.kept == Kept::InArtifact)
    {
        let what = format!("{file} is not the profile alone, which is what has a canonical form");
        return Err(
            Failure::question(what).hint("`stockade seccomp convert --to oci` takes it out")
        );
    }
    if args.check {
        if text == written.text {
            return Ok(Answer::Yes);
        }
        return Err(Failure::new(Answer::No, format!("{file} is not in canonical form"))
            .hint("`stockade seccomp fmt --write` changes it"));
    }
    if !args.write {
        ui.out(&text)?;
        return Ok(Answer::Yes);
    }
    if [profile::RUNTIME_DEFAULT, "-", "/dev/stdin"].map(Path::new).contains(&path.as_path()) {
        return Err(Failure::question("there is no file to write to"));
    }
    if text != written.text {
        replace(path, &text)
            .map_err(|error| Failure::unanswered(format!("cannot write {file}: {error}")))?;
    }
    Ok(Answer::Yes)
}

/// The file has the old text or the new one, whatever happens meanwhile. A link stays one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let new = path.with_file_name(name);
    let written = fs::write(&new, text)
        .and_then(|()| fs::set_permissions(&new, fs::metadata(&path)?.permissions()))
        .and_then(|()| fs::rename(&new, &path));
    if written.is_err() && fs::remove_file(&new).is_err() {
        // It was not made.
    }
    written
}
