//! The small commands of the built-in image.
//!
//! The image `stockade/toolbox` holds one file: the product's own binary, which
//! is fully static and therefore runs in an empty root filesystem. Started as
//! `touch`, it is `touch`. What the commands do is not ours: they are the
//! library crates of uutils, which follow GNU coreutils in options, messages
//! and exit codes. This crate is the list of them, and the way in.
//!
//! There is no shell. The shells written in Rust come under a licence that this
//! project cannot take in, or with an asynchronous runtime and a line editor; a
//! manifest for this image therefore names its program and its arguments, as
//! for any image made from scratch.
//!
//! What this crate does *not* know: containers, images and where its binary
//! lies.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::vec;

/// One command of the toolbox.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The name under which it is called.
    pub name: &'static str,
    main: fn(vec::IntoIter<OsString>) -> i32,
}

/// Every command, by name.
///
/// To add a command, add its crate to the manifest and its line here.
pub const COMMANDS: &[Command] = &[
    Command { name: "cat", main: uu_cat::uumain },
    Command { name: "chmod", main: uu_chmod::uumain },
    Command { name: "echo", main: uu_echo::uumain },
    Command { name: "env", main: uu_env::uumain },
    Command { name: "false", main: uu_false::uumain },
    Command { name: "head", main: uu_head::uumain },
    Command { name: "hostname", main: uu_hostname::uumain },
    Command { name: "id", main: uu_id::uumain },
    Command { name: "kill", main: uu_kill::uumain },
    Command { name: "ls", main: uu_ls::uumain },
    Command { name: "mkdir", main: uu_mkdir::uumain },
    Command { name: "pwd", main: uu_pwd::uumain },
    Command { name: "rm", main: uu_rm::uumain },
    Command { name: "sleep", main: uu_sleep::uumain },
    Command { name: "touch", main: uu_touch::uumain },
    Command { name: "true", main: uu_true::uumain },
    Command { name: "uname", main: uu_uname::uumain },
    Command { name: "whoami", main: uu_whoami::uumain },
];

/// Runs the command that `argv[0]` names, directories left aside, and returns
/// its exit code; `None` if the toolbox has no command of that name.
///
/// `argv` must be the process's own arguments: in messages the library speaks
/// of itself by the name under which the process was started. The command may
/// also end the process (`env` becomes what it starts).
pub fn run(argv: Vec<OsString>) -> Option<i32> {
    let name = Path::new(argv.first()?).file_name()?.to_str()?;
    let command = COMMANDS.iter().find(|it| it.name == name)?;

    // Without this, help and errors would show the keys of their texts.
    if let Err(error) = uucore::locale::setup_localization(command.name) {
        eprintln!("{name}: cannot load messages: {error}");
        return Some(TOOLBOX_FAILED);
    }
    // A reader that went away ends a command, but is no bug to report.
    uucore::panic::mute_sigpipe_panic();

    let code = (command.main)(argv.into_iter());
    match std::io::stdout().flush() {
        Ok(()) => Some(code),
        Err(error) => {
            eprintln!("{}: write error: {error}", command.name);
            Some(code.max(1))
        }
    }
}

/// The code for failures that are not the command's own, as `env` and container
/// tools have it.
const TOOLBOX_FAILED: i32 = 125;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_and_unique() {
        assert!(COMMANDS.is_sorted_by(|one, next| one.name < next.name));
    }

    #[test]
    fn only_the_last_part_of_the_name_counts() {
        for (program, expected) in [
            ("true", Some(0)),
            ("/bin/true", Some(0)),
            ("./false", Some(1)),
            ("/bin/true/", Some(0)),
            ("truee", None),
            ("", None),
            ("/", None),
            ("sh", None),
        ] {
            assert_eq!(run(vec![program.into()]), expected, "{program}");
        }
        assert_eq!(run(vec![]), None);
    }
}
