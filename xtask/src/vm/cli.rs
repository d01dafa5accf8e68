//! `cargo xtask vm`: one command in a guest, to look at things by hand.
//!
//! ```text
//! cargo xtask vm --lsm apparmor --busybox -- sh -c 'cat /sys/kernel/security/lsm'
//! ```
//!
//! The exit code is the command's.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::{Command, Exit, Guest, Kernel, Lsm, Step};

/// Runs the command; `args` is what follows `vm`. Returns the exit code.
///
/// # Errors
///
/// What is wrong with the arguments, or why there is no report, for a person.
pub fn main(args: &[String]) -> Result<u8, String> {
    let guest = parse(args)?;
    let report = guest.run().map_err(|error| error.to_string())?;
    for note in &report.notes {
        eprintln!("note: {note}");
    }
    eprintln!(
        "Linux {}, up in {} ms, done in {} ms",
        report.uname_r, report.boot_ms, report.total_ms
    );

    let result = report.results.first().ok_or("the guest gave no result")?;
    let written = io::stdout().write_all(&result.stdout);
    written.and_then(|()| io::stderr().write_all(&result.stderr)).map_err(|it| it.to_string())?;
    match &result.exit {
        Exit::Code(code) => Ok(u8::try_from(*code).unwrap_or(u8::MAX)),
        Exit::Signal(signal) => Err(format!("killed by signal {signal}")),
        Exit::TimedOut => Err("took too long and was killed".to_owned()),
        Exit::Running => Err("is still running".to_owned()),
        Exit::NotDone(why) => Err(why.clone()),
    }
}

fn parse(args: &[String]) -> Result<Guest, String> {
    let mut kernel = None;
    let mut changes: Vec<Box<dyn FnOnce(Guest) -> Guest>> = Vec::new();
    let mut timeout = Duration::from_secs(30);

    let mut args = args.iter();
    let command = loop {
        let Some(option) = args.next() else { return Err(USAGE.to_owned()) };
        let mut value = || args.next().cloned().ok_or(format!("{option} needs a value\n{USAGE}"));
        match option.as_str() {
            "--" => break args.cloned().collect::<Vec<_>>(),
            "--busybox" => changes.push(Box::new(Guest::busybox)),
            "--kernel" => kernel = Some(value()?),
            "--lsm" => {
                let lsm = match value()?.as_str() {
                    "apparmor" => Lsm::AppArmor,
                    "selinux" => Lsm::SeLinux,
                    "none" => Lsm::None,
                    other => return Err(format!("unknown security module `{other}`\n{USAGE}")),
                };
                changes.push(Box::new(move |guest| guest.lsm(lsm)));
            }
            "--file" => {
                let value = value()?;
                let (host, path) = value.split_once('=').ok_or("--file needs HOST=GUEST")?;
                let (host, path) = (host.to_owned(), path.to_owned());
                changes.push(Box::new(move |guest| guest.file(host, &path)));
            }
            "--program" => {
                let program = value()?;
                changes.push(Box::new(move |guest| guest.program(program)));
            }
            "--module" => {
                let module = value()?;
                changes.push(Box::new(move |mut guest| {
                    guest.modules.push(module);
                    guest
                }));
            }
            "--append" => {
                let parameter = value()?;
                changes.push(Box::new(move |mut guest| {
                    guest.cmdline_extra.push(parameter);
                    guest
                }));
            }
            "--timeout" => {
                let seconds = value()?.parse().map_err(|_| "--timeout needs seconds")?;
                timeout = Duration::from_secs(seconds);
            }
            other => return Err(format!("unknown option `{other}`\n{USAGE}")),
        }
    };
    if command.is_empty() {
        return Err(USAGE.to_owned());
    }

    let kernel = match kernel {
        Some(image) => Kernel::open(Path::new(&image)),
        None => Kernel::newest(),
    };
    let mut guest = Guest::new(kernel.map_err(|error| error.to_string())?);
    guest.deadline = timeout + BOOT;
    guest = guest.step(Step::Run(Command::new(command).timeout(timeout)));
    Ok(changes.into_iter().fold(guest, |guest, change| change(guest)))
}

const USAGE: &str =
    "usage: cargo xtask vm [--kernel IMAGE] [--lsm apparmor|selinux|none] [--busybox]
                      [--file HOST=GUEST]... [--program PATH]... [--module NAME]...
                      [--append PARAMETER]... [--timeout SECONDS] -- COMMAND [ARG]...";

/// More than any boot takes.
const BOOT: Duration = Duration::from_secs(30);
