//! The words between host and guest.
//!
//! Both directions speak in records: a record is a list of byte strings,
//! written as a line with its number of fields and the length of each,
//! followed by the fields and a line feed. Nothing is escaped, and a record
//! that was cut off is noticed. The host's steps travel in a file of the
//! initramfs, the guest's messages over its second serial port.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use super::step::{Command, CommandResult, Exit, Step, Stop};

/// What a guest says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Message {
    /// The guest is up: the release of its kernel, as it says itself.
    Hello(String),
    /// Something in the guest is not as it should be, but it goes on.
    Note(String),
    /// A step is done.
    Result(CommandResult),
    /// All steps are done.
    Done,
}

/// Writes one record.
pub(super) fn write_record(to: &mut impl Write, fields: &[Vec<u8>]) -> io::Result<()> {
    let mut record = fields.len().to_string();
    for field in fields {
        record.push_str(&format!(" {}", field.len()));
    }
    let mut record = record.into_bytes();
    record.push(b'\n');
    record.extend(fields.concat());
    record.push(b'\n');
    to.write_all(&record)?;
    to.flush()
}

/// Reads one record; `None` at the end.
pub(super) fn read_record(from: &mut impl BufRead) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut line = Vec::new();
    from.take(MAX_HEADER).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let header = line.strip_suffix(b"\n").ok_or_else(malformed)?;
    let header = std::str::from_utf8(header).map_err(|_| malformed())?;
    let numbers: Vec<usize> = header
        .split(' ')
        .map(|number| number.parse().map_err(|_| malformed()))
        .collect::<Result<_, _>>()?;
    let (count, lengths) = numbers.split_first().ok_or_else(malformed)?;
    if *count != lengths.len() || lengths.iter().any(|&length| length > MAX_FIELD) {
        return Err(malformed());
    }

    let mut fields = Vec::new();
    for &length in lengths {
        let mut field = vec![0; length];
        from.read_exact(&mut field)?;
        fields.push(field);
    }
    let mut end = [0];
    from.read_exact(&mut end)?;
    if end == *b"\n" { Ok(Some(fields)) } else { Err(malformed()) }
}

impl Message {
    pub(super) fn to_record(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Hello(release) => vec![b"hello".to_vec(), text(release)],
            Self::Note(note) => vec![b"note".to_vec(), text(note)],
            Self::Result(CommandResult { argv, exit, stdout, stderr }) => {
                let (how, what) = match exit {
                    Exit::Code(code) => ("code", code.to_string()),
                    Exit::Signal(signal) => ("signal", signal.to_string()),
                    Exit::TimedOut => ("timed-out", String::new()),
                    Exit::Running => ("running", String::new()),
                    Exit::NotDone(why) => ("not-done", why.clone()),
                };
                let mut record = vec![b"result".to_vec(), text(how), text(&what)];
                record.extend([stdout.clone(), stderr.clone()]);
                record.extend(argv.iter().map(|it| text(it)));
                record
            }
            Self::Done => vec![b"done".to_vec()],
        }
    }

    pub(super) fn from_record(record: Vec<Vec<u8>>) -> io::Result<Self> {
        let mut fields = Fields(record.into_iter());
        let message = match fields.text()?.as_str() {
            "hello" => Self::Hello(fields.text()?),
            "note" => Self::Note(fields.text()?),
            "result" => {
                let (how, what) = (fields.text()?, fields.text()?);
                let number = || what.parse().map_err(|_| malformed());
                let exit = match how.as_str() {
                    "code" => Exit::Code(number()?),
                    "signal" => Exit::Signal(number()?),
                    "timed-out" => Exit::TimedOut,
                    "running" => Exit::Running,
                    "not-done" => Exit::NotDone(what),
                    _ => return Err(malformed()),
                };
                let (stdout, stderr) = (fields.bytes()?, fields.bytes()?);
                Self::Result(CommandResult { argv: fields.rest()?, exit, stdout, stderr })
            }
            "done" => Self::Done,
            _ => return Err(malformed()),
        };
        fields.end()?;
        Ok(message)
    }
}

impl Step {
    pub(super) fn to_record(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Run(command) => [vec![b"run".to_vec()], command.to_fields()].concat(),
            Self::Start(name, command) => {
                [vec![b"start".to_vec(), text(name)], command.to_fields()].concat()
            }
            Self::Stop(name, stop) => {
                let (how, number) = match stop {
                    Stop::Signal(signal) => ("signal", signal.to_string()),
                    Stop::Await(patience) => ("await", patience.as_millis().to_string()),
                };
                vec![b"stop".to_vec(), text(name), text(how), text(&number)]
            }
        }
    }

    pub(super) fn from_record(record: Vec<Vec<u8>>) -> io::Result<Self> {
        let mut fields = Fields(record.into_iter());
        let step = match fields.text()?.as_str() {
            "run" => Self::Run(Command::from_fields(&mut fields)?),
            "start" => Self::Start(fields.text()?, Command::from_fields(&mut fields)?),
            "stop" => {
                let (name, how) = (fields.text()?, fields.text()?);
                let stop = match how.as_str() {
                    "signal" => Stop::Signal(fields.number()?),
                    "await" => Stop::Await(Duration::from_millis(fields.number()?)),
                    _ => return Err(malformed()),
                };
                Self::Stop(name, stop)
            }
            _ => return Err(malformed()),
        };
        fields.end()?;
        Ok(step)
    }
}

impl Command {
    fn to_fields(&self) -> Vec<Vec<u8>> {
        let Self { argv, stdin, env, timeout, apparmor } = self;
        let mut fields = vec![
            stdin.clone(),
            text(&timeout.as_millis().to_string()),
            text(apparmor.as_deref().unwrap_or_default()),
            text(&env.len().to_string()),
        ];
        fields.extend(env.iter().flat_map(|(name, value)| [text(name), text(value)]));
        fields.extend(argv.iter().map(|it| text(it)));
        fields
    }

    fn from_fields(fields: &mut Fields) -> io::Result<Self> {
        let stdin = fields.bytes()?;
        let timeout = Duration::from_millis(fields.number()?);
        let apparmor = Some(fields.text()?).filter(|profile| !profile.is_empty());
        let variables: usize = fields.number()?;
        let env =
            (0..variables).map(|_| Ok((fields.text()?, fields.text()?))).collect::<io::Result<_>>();
        Ok(Self { stdin, timeout, apparmor, env: env?, argv: fields.rest()? })
    }
}

/// What is left of a record that is being read.
struct Fields(std::vec::IntoIter<Vec<u8>>);

impl Fields {
    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        self.0.next().ok_or_else(malformed)
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| malformed())
    }

    fn number<T: std::str::FromStr>(&mut self) -> io::Result<T> {
        self.text()?.parse().map_err(|_| malformed())
    }

    fn rest(&mut self) -> io::Result<Vec<String>> {
        self.0.by_ref().map(|field| String::from_utf8(field).map_err(|_| malformed())).collect()
    }

    fn end(&mut self) -> io::Result<()> {
        if self.0.next().is_none() { Ok(()) } else { Err(malformed()) }
    }
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a record of this protocol")
}

/// Longer than the header of any command line that the kernel takes.
const MAX_HEADER: u64 = 1 << 20;
const MAX_FIELD: usize = 1 << 28;

#[cfg(test)]
mod tests;
