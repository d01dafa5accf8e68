//! `stockade image`: the images that are here.

mod show;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use stockade_image::{PullOptions, Reference, Store};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::ui::{Ui, plain};

/// Bring in, list and remove images
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring in the images of a file or directory (`docker save`, or an OCI layout)
    Import {
        /// Archive, plain or compressed, or directory
        path: PathBuf,
        /// Call the image REF, whatever its file says
        #[arg(long, value_name = "REF")]
        name: Option<Reference>,
    },
    /// Show what is known of an image
    Inspect {
        /// Name, or the beginning of the id
        image: String,
        /// How to show it
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// List images
    #[command(visible_alias = "ls")]
    List {
        /// How to show them
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Fetch an image from its registry
    Pull {
        /// Its name
        image: Reference,
        /// Speak to its registry in plain HTTP (loopback ones always are)
        #[arg(long)]
        insecure: bool,
    },
    /// Remove images
    Rm {
        /// Names, or beginnings of ids
        #[arg(required = true)]
        images: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

pub(crate) fn run(args: Args, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
    let store = globals.roots()?.images()?;
    match args.command {
        Command::Import { path, name } => {
            for reference in store.import(&path, name.as_ref(), ui)? {
                report_skipped(&store, &reference, ui)?;
                ui.out(&format!("image/{} imported", plain(&reference.familiar())))?;
            }
        }
        Command::Inspect { image, output } => {
            let image = show::find(&store, &image)?;
            ui.out(&match output {
                Output::Json => show::json(&image)?,
                Output::Text => show::text(&image),
            })?;
        }
        Command::List { output } => {
            let list = show::list(&store)?;
            ui.out(&match output {
                Output::Json => show::list_json(&list)?,
                Output::Text => show::table(&list),
            })?;
        }
        Command::Pull { image, insecure } => {
            let insecure_registries = insecure.then(|| image.registry().to_owned());
            let options = PullOptions {
                insecure_registries: insecure_registries.into_iter().collect(),
                ..PullOptions::default()
            };
            store.pull(&image, &options, ui)?;
            report_skipped(&store, &image, ui)?;
            ui.out(&format!("image/{} pulled", plain(&image.familiar())))?;
        }
        Command::Rm { images } => {
            for name in images {
                let reference = show::name(&store, &name)?;
                store.remove(&reference)?;
                ui.out(&format!("image/{} removed", plain(&reference.familiar())))?;
            }
        }
    }
    Ok(Answer::Yes)
}

/// Says what of an image was left out when it was unpacked.
fn report_skipped(store: &Store, reference: &Reference, ui: &mut Ui) -> Result<(), Failure> {
    let image = store.get(reference)?;
    for skipped in &image.skipped {
        ui.warn(&format!("{}: {skipped} was left out", image.reference.familiar()));
    }
    Ok(())
}
