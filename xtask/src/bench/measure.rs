//! Running a command and taking its time, its memory and its system calls.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What was measured of one command, or the medians of several.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    nanos: u64,
    cpu_micros: u64,
    peak_kib: u64,
}

/// What was measured of one command again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

/// Runs commands through the small program that measures them.
pub(super) struct Runner {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

impl Sample {
    pub(super) fn millis(self) -> f64 {
        self.nanos as f64 / 1e6
    }

    /// Time on a CPU: steadier than what a clock on the wall says of a busy machine.
    pub(super) fn cpu_millis(self) -> f64 {
        self.cpu_micros as f64 / 1e3
    }

    pub(super) fn megabytes(self) -> f64 {
        self.peak_kib as f64 * 1024.0 / 1e6
    }
}

impl Samples {
    pub(super) fn extend(&mut self, more: &[Sample]) {
        self.0.extend_from_slice(more);
    }

    /// The shortest time. In cgroups of version 1 the kernel makes the first move of a process after
    /// a while wait for its other CPUs, for several times as long as all the rest takes; the
    /// shortest of many runs did not have to.
    pub(super) fn least_millis(&self) -> f64 {
        self.0.iter().map(|it| it.millis()).fold(f64::INFINITY, f64::min)
    }

    pub(super) fn median(&self) -> Sample {
        Sample {
            nanos: median(self.0.iter().map(|it| it.nanos).collect()),
            cpu_micros: median(self.0.iter().map(|it| it.cpu_micros).collect()),
            peak_kib: median(self.0.iter().map(|it| it.peak_kib).collect()),
        }
    }
}

impl Runner {
    pub(super) fn new(program: &Path, environment: Vec<(String, String)>) -> Self {
        Self { program: program.to_owned(), environment }
    }

    /// Runs commands one after the other, below the command `under`; each must answer 0.
    pub(super) fn run(
        &self,
        under: &[String],
        commands: &[Vec<String>],
    ) -> Result<Vec<Sample>, String> {
        let arguments = commands.join(&"--".to_owned());
        let output = self
            .command(under, &self.program.display().to_string())
            .args(&arguments)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut samples = Vec::with_capacity(commands.len());
        for (line, command) in text.lines().zip(commands) {
            let numbers: Vec<u64> = line.split(' ').filter_map(|it| it.parse().ok()).collect();
            match numbers[..] {
                [nanos, cpu_micros, peak_kib, 0] => {
                    samples.push(Sample { nanos, cpu_micros, peak_kib });
                }
                _ => return Err(format!("`{}` answered {line}", command.join(" "))),
            }
        }
        if samples.len() == commands.len() {
            Ok(samples)
        } else {
            Err(format!("`{}` was not measured", arguments.join(" ")))
        }
    }

    /// How many system calls a command and what it starts make, if perf(1) can tell. A tracer would
    /// be in the way of runtimes that trace.
    pub(super) fn syscalls(&self, under: &[String], command: &[String]) -> Option<u64> {
        let output = self
            .command(under, "perf")
            .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "--"])
            .args(command)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|it| it.contains("raw_syscalls"))?;
        line.split(',').next()?.parse().ok()
    }

    fn command(&self, under: &[String], program: &str) -> Command {
        let mut words = under.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words);
        command.env_clear().envs(self.environment.iter().cloned());
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        command
    }
}

fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}
