//! The edge for people: arguments, exit codes, words on a terminal.
//!
//! Composes the other crates and decides nothing itself. One binary under several names: started
//! under the name of one of the toolbox's commands it is that command, which is what the built-in
//! image lives on; otherwise it is `stockade`.
//!
//! What starts a container is measured in milliseconds, so nothing here happens before it is
//! needed: no thread, no asynchronous runtime, no environment read beyond what the command line
//! names.

mod answer;
mod cli;
mod diagnostics;
mod events;
mod foreground;
mod health;
mod inputs;
mod launch;
mod monitor;
mod paths;
mod pods;
mod prepare;
mod record;
mod report;
mod settings;
mod signal;
mod ui;
mod world;
mod yaml;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use cli::oci;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: stockade_sys::Allocator = stockade_sys::Allocator::new();

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Program::of(&arguments) {
        Program::Toolbox => {
            let code = stockade_toolbox::run(arguments);
            ExitCode::from(code.and_then(|it| u8::try_from(it).ok()).unwrap_or(NO_COMMAND))
        }
        Program::Monitor => monitor::run(&arguments[2..]),
        Program::Oci => oci::main(arguments),
        Program::Stockade => cli::main(arguments),
    }
}

/// What this process is, by the name under which it was started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    /// A small command of the built-in image.
    Toolbox,
    /// The process that keeps a pod; started by ourselves only, and not in any help.
    Monitor,
    /// A container runtime for bundles, which engines call once for every step of a container's
    /// life: it gets by without the rest of the command line.
    Oci,
    /// What people call.
    Stockade,
}

impl Program {
    fn of(arguments: &[OsString]) -> Self {
        let name = arguments.first().and_then(|it| Path::new(it).file_name());
        let is = |command: &stockade_toolbox::Command| name == Some(OsStr::new(command.name));
        if stockade_toolbox::COMMANDS.iter().any(is) {
            Self::Toolbox
        } else if arguments.get(1).is_some_and(|it| it == "monitor") {
            Self::Monitor
        } else if name == Some(OsStr::new(oci::ALONE))
            || arguments.get(1).is_some_and(|it| it == "oci")
        {
            Self::Oci
        } else {
            Self::Stockade
        }
    }
}

/// Exit code of a shell that does not find a command.
const NO_COMMAND: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_this_process_is() {
        for (arguments, expected) in [
            (&["/bin/touch", "x"][..], Program::Toolbox),
            (&["touch", "monitor"], Program::Toolbox),
            (&["stockade", "run"], Program::Stockade),
            (&["stockade", "monitor"], Program::Monitor),
            (&["/touch/stockade", "touch"], Program::Stockade),
            (&["stockade", "oci", "run"], Program::Oci),
            (&["stockade", "--root", "/x", "oci"], Program::Stockade),
            (&["/usr/bin/stockade-oci", "state"], Program::Oci),
            (&[], Program::Stockade),
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(Program::of(&arguments), expected, "{arguments:?}");
        }
    }
}
