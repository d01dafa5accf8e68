//! The command line: one variant and one file for each subcommand.
//!
//! A subcommand's file has its `Args`, whose documentation is its help, and `run`. It asks, calls
//! and prints; what it prints is decided elsewhere.

mod create;
mod delete;
mod describe;
mod exec;
mod get;
mod image;
mod logs;
pub(crate) mod oci;
mod run;
mod seccomp;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::answer::{Answer, Failure};
use crate::paths::Roots;
use crate::ui::Ui;

/// Runs Kubernetes pods on this kernel with every declared confinement enforced, and proves it
#[derive(Debug, Parser)]
#[command(name = "stockade", version, max_term_width = 100, disable_help_subcommand = true)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(create::Args),
    Create(create::Args),
    Delete(delete::Args),
    Describe(describe::Args),
    Exec(exec::Args),
    Get(get::Args),
    Image(image::Args),
    Logs(logs::Args),
    Oci(oci::Args),
    Run(run::Args),
    Seccomp(seccomp::Args),
}

/// Options of every subcommand.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Globals {
    /// Keep everything below DIR: images, containers and what belongs to running pods
    #[arg(long, global = true, env = "STOCKADE_ROOT", hide_env = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// When to use colours; `auto` heeds NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Color {
    /// On terminals.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Globals {
    /// Where everything is; the directories are made if they are missing.
    pub(crate) fn roots(&self) -> Result<Roots, Failure> {
        Roots::open(self.root.as_deref())
    }
}

/// Does what the command line says.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let Line { globals, command } = match Line::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => return usage(&error),
    };
    let mut ui = Ui::new(globals.color);
    let answer = command.run(&globals, &mut ui).unwrap_or_else(|failure| ui.failure(&failure));
    answer.into()
}

impl Command {
    fn run(self, globals: &Globals, ui: &mut Ui) -> Result<Answer, Failure> {
        match self {
            Self::Apply(args) => create::apply(args, globals, ui),
            Self::Create(args) => create::run(args, globals, ui),
            Self::Delete(args) => delete::run(args, globals, ui),
            Self::Describe(args) => describe::run(args, globals, ui),
            Self::Exec(args) => exec::run(args, globals, ui),
            Self::Get(args) => get::run(args, globals, ui),
            Self::Image(args) => image::run(args, globals, ui),
            Self::Logs(args) => logs::run(args, globals, ui),
            Self::Oci(args) => oci::run(args, globals, ui),
            Self::Run(args) => run::run(args, globals, ui),
            Self::Seccomp(args) => seccomp::run(&args, ui),
        }
    }
}

/// Help and version are answers; everything else is a wrong question.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it, and the code is the same.
    drop(error.print());
    if error.use_stderr() { Answer::WrongQuestion.into() } else { Answer::Yes.into() }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Line::command().debug_assert();
    }

    #[test]
    fn commands_are_sorted_and_each_has_help() {
        let command = Line::command();
        let commands: Vec<_> = command.get_subcommands().collect();
        assert!(commands.is_sorted_by(|one, next| one.get_name() < next.get_name()));
        for command in commands {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
