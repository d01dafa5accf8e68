//! `stockade seccomp convert`.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use stockade_image::write_profile_artifact;
use stockade_seccomp::flatten;

use super::{profile, target};
use crate::answer::{Answer, Failure};
use crate::diagnostics::Weight;
use crate::ui::{Ui, plain};

mod form;
mod limits;
mod words;

use limits::Gap;

/// Write a profile in another form
///
/// The form of the input is recognised: JSON of OCI, Docker or podman, a `SeccompProfile` of the
/// security-profiles-operator, an OCI artifact as a layout or archive. What the other form cannot
/// say is an error; with --flatten, conditions on machine and capabilities are answered first.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: profile::File,

    /// Form to write
    #[arg(long, value_enum)]
    to: Form,

    /// Write to PATH (a directory that is not there for `artifact`) instead of standard output
    #[arg(short, long, value_name = "PATH", required_if_eq("to", "artifact"))]
    output: Option<PathBuf>,

    /// Name of the object that is written as `spo` (default: that of the input)
    #[arg(long)]
    name: Option<String>,

    /// Answer what depends on machine and capabilities, for the ones that are named
    #[arg(long)]
    flatten: bool,

    #[command(flatten)]
    target: target::Machine,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Form {
    /// JSON of the OCI runtime specification
    Oci,
    /// `SeccompProfile` of the security-profiles-operator, YAML
    Spo,
    /// OCI artifact that holds the JSON, as an image layout
    Artifact,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let source = profile::read(&args.file.profile, ui)?;
    let meant = match args.flatten {
        true => flatten(&source.profile, &args.target.target()?),
        false => source.profile.clone(),
    };
    let mut gaps = limits::of_all(&meant);
    let object = source.written.object.as_ref();
    if args.to != Form::Spo {
        gaps.extend(object.into_iter().flat_map(limits::of_object));
    }
    match args.to {
        Form::Oci => {}
        Form::Spo => gaps.extend(limits::of_spo(&meant)),
        Form::Artifact => {
            for concern in limits::of_runtimes(&meant) {
                ui.warn(&concern);
            }
        }
    }
    if !gaps.is_empty() {
        let said = |Gap { place, path, what, hint }: &Gap| {
            source.written.diagnostic(Weight::Error, *place, path, what, hint.map(str::to_owned))
        };
        let all: Vec<_> = gaps.iter().map(said).collect();
        source.written.texts().tell(&all, ui);
        return Err(Failure::Said(Answer::No));
    }
    let text = match args.to {
        Form::Oci | Form::Artifact => form::json(&meant),
        Form::Spo => form::yaml(&meant, &name(args, &source)?, object),
    };
    match (&args.output, args.to) {
        (Some(path), Form::Artifact) => {
            let digest = write_profile_artifact(path, text.as_bytes())?;
            ui.note(&format!("{} holds {digest}", plain(&path.display().to_string())));
        }
        (Some(path), Form::Oci | Form::Spo) => {
            let failed = |error| Failure::unanswered(format!("cannot write: {error}"));
            File::create(path).and_then(|mut it| it.write_all(text.as_bytes())).map_err(failed)?;
        }
        (None, _) => ui.out(&text)?,
    }
    Ok(Answer::Yes)
}

/// The name of the object: as given, as the input is called, or as its file is.
fn name(args: &Args, source: &profile::Source) -> Result<String, Failure> {
    let stem = args.file.profile.file_stem().map(|it| it.to_string_lossy().to_lowercase());
    let of_object = source.written.object.as_ref().and_then(|it| it.name.clone());
    let name = args.name.clone().or(of_object).or(stem).unwrap_or_default();
    let is_inside = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it);
    let is_edge = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let fits = name.len() <= 253
        && name.chars().all(is_inside)
        && name.starts_with(is_edge)
        && name.ends_with(is_edge);
    if fits {
        return Ok(name);
    }
    Err(Failure::question(format!("`{}` is no name for an object", plain(&name)))
        .hint("give one with --name"))
}
