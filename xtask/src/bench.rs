//! `cargo xtask bench`: how long things take, side by side in one run.
//!
//! Times of one machine on one day say little; ratios of runs that take turns do. So every benchmark
//! measures this project, the kernel alone (the floor) and whatever other runtimes are installed,
//! and prints how many times the floor each takes.

mod bundle;
mod contender;
mod measure;
mod profile;
mod programs;
mod seccomp;
mod start;

/// Runs a benchmark; `args` is what follows `bench`.
///
/// # Errors
///
/// What is wrong with the arguments, what is missing, or which command failed.
pub fn main(args: &[String]) -> Result<(), String> {
    match args.split_first() {
        Some((name, rest)) if name == "seccomp" => seccomp::main(rest),
        Some((name, rest)) if name == "start" => start::main(rest),
        Some((name, _)) => Err(format!("unknown benchmark `{name}`\n{USAGE}")),
        None => Err(USAGE.to_owned()),
    }
}

const USAGE: &str = "\
usage: cargo xtask bench seccomp [--profile PATH]... [--rounds N]
       cargo xtask bench start [--stockade PATH] [--rounds N]
  seccomp  filters: compiled, installed and run, beside libseccomp's
  start    one container from a bundle: run, and create, start, delete; and a pod";
