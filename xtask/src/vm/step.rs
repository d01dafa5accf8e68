//! What a guest is asked to do, and what came of it.
//!
//! A guest decides nothing: it does one step after the other whatever their
//! results are, and the test on the host judges the results.

use std::time::Duration;

/// One thing for the guest to do. Each gives one [`CommandResult`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Runs a command to its end.
    Run(Command),
    /// Starts a command that goes on beside the steps that follow, under a
    /// name of the test's choice. Its output is part of the result of [`Step::Stop`].
    Start(String, Command),
    /// Ends a command that was started and waits until it is gone.
    Stop(String, Stop),
}

/// How a command that was started comes to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// By the signal of this number, or by SIGKILL if it does not heed it for ten seconds.
    Signal(i32),
    /// By itself, within this time; by SIGKILL after it.
    Await(Duration),
}

/// A program with all it is given.
///
/// It runs as root, in `/`, with the environment of a login shell and its own
/// process group. There is no shell between: give `["sh", "-c", "…"]` where one is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// The program, searched in `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Added to its environment.
    pub env: Vec<(String, String)>,
    /// After this time it is killed.
    pub timeout: Duration,
    /// The AppArmor profile that it is put under.
    pub apparmor: Option<String>,
}

impl Command {
    /// A command that reads nothing and has ten seconds.
    pub fn new<I>(argv: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            env: Vec::new(),
            timeout: Duration::from_secs(10),
            apparmor: None,
        }
    }

    /// A line for `sh`; the guest must have one, see [`super::Guest::busybox`].
    pub fn sh(line: &str) -> Self {
        Self::new(["sh", "-c", line])
    }

    /// The same command, reading `stdin`.
    pub fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// The same command with one more variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same command with more or less time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same command under the AppArmor profile `profile`, as by aa-exec(1).
    pub fn under_apparmor(mut self, profile: &str) -> Self {
        self.apparmor = Some(profile.to_owned());
        self
    }
}

/// What came of one step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandResult {
    /// The command, or the name of the one that was to be stopped.
    pub argv: Vec<String>,
    /// How it ended.
    pub exit: Exit,
    /// What it wrote until it ended. Of processes that it left behind, only
    /// what they had written by then.
    pub stdout: Vec<u8>,
    /// The same of the standard error.
    pub stderr: Vec<u8>,
}

impl CommandResult {
    /// The output as text, invalid UTF-8 replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The error output as text, invalid UTF-8 replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// How a step ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    /// The command exited with this code.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It took too long and was killed.
    TimedOut,
    /// It was started and goes on.
    Running,
    /// The guest could not do the step, for this reason.
    NotDone(String),
}
