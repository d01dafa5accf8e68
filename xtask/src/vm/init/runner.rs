//! The process that does the steps and says what came of them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::system::uname;
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

use super::super::protocol::{Message, read_record, write_record};
use super::super::step::{CommandResult, Exit, Step, Stop};
use super::running::{Ended, Running};
use super::{STEPS, facilities};

/// Does every step there is. Returns when the host has been told the last result.
pub(super) fn run() -> io::Result<()> {
    let notes = facilities::provide();
    let mut port = open_port()?;
    let mut say = |message: Message| write_record(&mut port, &message.to_record());

    say(Message::Hello(uname().release().to_string_lossy().into_owned()))?;
    for note in notes {
        say(Message::Note(note))?;
    }
    let mut processes = Processes::default();
    let mut steps = BufReader::new(File::open(STEPS)?);
    while let Some(record) = read_record(&mut steps)? {
        say(Message::Result(processes.run(&Step::from_record(record)?)))?;
    }
    say(Message::Done)?;
    tcdrain(&port)?;
    Ok(())
}

/// The second serial port, made a plain line of bytes.
fn open_port() -> io::Result<File> {
    let no_terminal = OFlags::NOCTTY.bits().cast_signed();
    let port = OpenOptions::new().write(true).custom_flags(no_terminal).open("/dev/ttyS1")?;
    let mut settings = tcgetattr(&port)?;
    settings.make_raw();
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    Ok(port)
}

#[derive(Default)]
struct Processes {
    by_name: HashMap<String, Running>,
    left_open: Vec<File>,
}

impl Processes {
    fn run(&mut self, step: &Step) -> CommandResult {
        let argv = match step {
            Step::Run(command) | Step::Start(_, command) => command.argv.clone(),
            Step::Stop(name, _) => vec![name.clone()],
        };
        let unfinished =
            |exit| CommandResult { argv, exit, stdout: Vec::new(), stderr: Vec::new() };
        match self.try_step(step) {
            Ok(Some(Ended { result, left_open })) => {
                self.left_open.extend(left_open);
                result
            }
            Ok(None) => unfinished(Exit::Running),
            Err(error) => unfinished(Exit::NotDone(error.to_string())),
        }
    }

    fn try_step(&mut self, step: &Step) -> io::Result<Option<Ended>> {
        match step {
            Step::Run(command) => {
                Running::start(command)?.wait(command.timeout, &mut self.by_name).map(Some)
            }
            Step::Start(name, _) if self.by_name.contains_key(name) => {
                Err(io::Error::other(format!("`{name}` is running already")))
            }
            Step::Start(name, command) => {
                self.by_name.insert(name.clone(), Running::start(command)?);
                Ok(None)
            }
            Step::Stop(name, stop) => {
                let unknown = || io::Error::other(format!("nothing of the name `{name}` runs"));
                let running = self.by_name.remove(name).ok_or_else(unknown)?;
                let patience = match stop {
                    Stop::Signal(number) => {
                        running.signal(*number)?;
                        HEED
                    }
                    Stop::Await(patience) => *patience,
                };
                running.wait(patience, &mut self.by_name).map(Some)
            }
        }
    }
}

/// The time in which a signal must be heeded.
const HEED: Duration = Duration::from_secs(10);
