//! What containers write: kept in a file per container, and shown if somebody watches.
//!
//! Files have the format of Kubernetes' container runtime interface, a line per line:
//! `2026-01-31T08:00:00.000000000Z stdout F text`; `P` instead of `F` marks a part of a line that is
//! longer than 16 KiB. A file of more than 10 MiB becomes `<name>.1` and a new one begins, so that a
//! container cannot fill the disk with what it says; nothing is buffered beyond one line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::clock::now;

/// Whether what containers write is also shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Output {
    /// Kept only.
    Kept,
    /// And copied to our own streams as it is.
    Shown,
    /// And copied to our own streams, each line behind its container's name.
    ShownWithNames,
}

/// One of a container's streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// The log of one container.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, length })
    }

    fn write(&mut self, stream: Stream, tag: char, text: &[u8]) -> io::Result<()> {
        if self.length > LOG_LENGTH {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        let name = match stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        };
        let mut line = format!("{} {name} {tag} ", now()).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        self.length += line.len() as u64;
        self.file.write_all(&line)
    }
}

/// One end of a stream that a container writes to.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) fd: OwnedFd,
    stream: Stream,
    output: Output,
    name: String,
    pending: Vec<u8>,
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flow {
    Open,
    Closed,
}

impl Source {
    pub(crate) fn new(fd: OwnedFd, stream: Stream, output: Output, name: &str) -> Self {
        Self { fd, stream, output, name: name.to_owned(), pending: Vec::new() }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes what is there, once.
    pub(crate) fn take(&mut self, log: &mut Log) -> io::Result<Flow> {
        let mut buffer = [0_u8; 16 << 10];
        let length = match rustix::io::read(&self.fd, &mut buffer) {
            Ok(length) => length,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(Flow::Open),
            // A terminal whose other end is closed says so by this.
            Err(rustix::io::Errno::IO) => 0,
            Err(errno) => return Err(errno.into()),
        };
        if length == 0 {
            self.flush(log)?;
            return Ok(Flow::Closed);
        }
        let bytes = &buffer[..length];
        if self.output == Output::Shown {
            self.show(bytes);
        }
        self.pending.extend_from_slice(bytes);
        self.write_lines(log)?;
        Ok(Flow::Open)
    }

    fn write_lines(&mut self, log: &mut Log) -> io::Result<()> {
        let mut start = 0;
        while let Some(length) = self.pending[start..].iter().position(|it| *it == b'\n') {
            let line = self.pending[start..start + length].to_vec();
            self.write_line(log, 'F', &line)?;
            start += length + 1;
        }
        self.pending.drain(..start);
        if self.pending.len() >= LINE_LENGTH {
            let part = std::mem::take(&mut self.pending);
            self.write_line(log, 'P', &part)?;
        }
        Ok(())
    }

    /// Writes what is left of a last line without an end.
    pub(crate) fn flush(&mut self, log: &mut Log) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let rest = std::mem::take(&mut self.pending);
        self.write_line(log, 'F', &rest)
    }

    fn write_line(&self, log: &mut Log, tag: char, line: &[u8]) -> io::Result<()> {
        if self.output == Output::ShownWithNames {
            let mut shown = format!("[{}] ", self.name).into_bytes();
            shown.extend_from_slice(line);
            shown.push(b'\n');
            self.show(&shown);
        }
        log.write(self.stream, tag, line)
    }

    /// A reader that went away does not end the pod: what is written is kept anyway.
    fn show(&self, bytes: &[u8]) {
        let shown = match self.stream {
            Stream::Out => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Stream::Err => io::stderr().lock().write_all(bytes),
        };
        shown.ok();
    }
}

const LINE_LENGTH: usize = 16 << 10;
const LOG_LENGTH: u64 = 10 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_whole_and_marked_when_they_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::open(&path).unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut source = Source::new(read, Stream::Out, Output::Kept, "app");
        rustix::io::write(&write, b"one\ntw").unwrap();
        assert_eq!(source.take(&mut log).unwrap(), Flow::Open);
        rustix::io::write(&write, b"o\nend").unwrap();
        assert_eq!(source.take(&mut log).unwrap(), Flow::Open);
        drop(write);
        assert_eq!(source.take(&mut log).unwrap(), Flow::Closed);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(|it| it.split_once(' ').unwrap().1).collect();
        assert_eq!(lines, ["stdout F one", "stdout F two", "stdout F end"]);
    }
}
