//! Processes under observation: what they write is kept until they end.
//!
//! They write into pipes. A file would be simpler, but a profile that denies
//! writing takes an inherited file away at exec, and the output with it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::super::step::{Command, CommandResult, Exit};
use super::{INIT, UNDER_APPARMOR};

/// A process that was started and not yet waited for.
pub(super) struct Running {
    argv: Vec<String>,
    child: Child,
    /// Readable as soon as the process has ended.
    pidfd: OwnedFd,
    stdout: Output,
    stderr: Output,
}

impl Running {
    pub(super) fn start(command: &Command) -> io::Result<Self> {
        let Command { argv, stdin, env, timeout: _, apparmor } = command;
        let mut words: Vec<&str> = argv.iter().map(String::as_str).collect();
        if let Some(profile) = apparmor {
            words.splice(0..0, [INIT, UNDER_APPARMOR, profile]);
        }
        let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;

        let mut child = std::process::Command::new(program)
            .args(args)
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(env.iter().cloned().collect::<HashMap<_, _>>())
            .current_dir("/")
            .process_group(0)
            .stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;

        if let Some(mut pipe) = child.stdin.take() {
            let stdin = stdin.clone();
            // That a program does not read to the end is its own affair.
            thread::spawn(move || pipe.write_all(&stdin));
        }
        Ok(Self {
            argv: argv.clone(),
            pidfd: pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?,
            stdout: Output::new(child.stdout.take().map(OwnedFd::from))?,
            stderr: Output::new(child.stderr.take().map(OwnedFd::from))?,
            child,
        })
    }

    /// Sends the signal of this number to the process alone.
    pub(super) fn signal(&self, number: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(number).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Waits for the end. If that does not come within `patience`, kills the
    /// process and its group.
    ///
    /// Meanwhile reads what `others` write, so that no full pipe stops them.
    pub(super) fn wait(
        mut self,
        patience: Duration,
        others: &mut HashMap<String, Self>,
    ) -> io::Result<Ended> {
        let deadline = Instant::now() + patience;
        let is_in_time = self.poll(deadline, others)?;
        if !is_in_time {
            match kill_process_group(Pid::from_child(&self.child), Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let status = self.child.wait()?;
        // What it wrote is in the pipes by now.
        self.read_available()?;
        let exit = if is_in_time { exit(status) } else { Exit::TimedOut };
        let Self { argv, stdout, stderr, .. } = self;
        Ok(Ended {
            result: CommandResult { argv, exit, stdout: stdout.bytes, stderr: stderr.bytes },
            left_open: [stdout.pipe, stderr.pipe].into_iter().flatten().collect(),
        })
    }

    /// Returns whether the process ended before `deadline`.
    fn poll(&mut self, deadline: Instant, others: &mut HashMap<String, Self>) -> io::Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut watched = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
            let all = others.values().chain([&*self]);
            let pipes = all.flat_map(|it| [&it.stdout.pipe, &it.stderr.pipe]).flatten();
            watched.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));

            let timeout = left.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
            match poll(&mut watched, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let has_ended = !watched[0].revents().is_empty();
            drop(watched);

            if has_ended || left.is_zero() {
                return Ok(has_ended);
            }
            self.read_available()?;
            others.values_mut().try_for_each(Self::read_available)?;
        }
    }

    fn read_available(&mut self) -> io::Result<()> {
        self.stdout.read_available()?;
        self.stderr.read_available()
    }
}

/// A process that is gone.
pub(super) struct Ended {
    pub(super) result: CommandResult,
    /// Its pipes that another process can still write to. While they are kept,
    /// that process is not killed by a broken pipe.
    pub(super) left_open: Vec<File>,
}

/// One of a process's outputs.
struct Output {
    /// `None` once nobody can write to it any more.
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Output {
    fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            fcntl_setfl(pipe.as_fd(), OFlags::NONBLOCK)?;
        }
        Ok(Self { pipe: pipe.map(File::from), bytes: Vec::new() })
    }

    /// Takes all there is, without waiting for more.
    fn read_available(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.read_to_end(&mut self.bytes) {
            Ok(_) => self.pipe = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::NotDone(format!("ended as {status}")),
    }
}

/// What a login gives. The command's own variables come on top.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("HOME", "/root"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("TERM", "dumb"),
];
