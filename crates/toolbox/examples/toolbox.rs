//! The toolbox as a program of its own, to try and to test it: start it through
//! a link that has the name of a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = stockade_toolbox::run(std::env::args_os().collect());
    ExitCode::from(code.and_then(|it| u8::try_from(it).ok()).unwrap_or(127))
}
