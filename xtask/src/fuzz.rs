//! `cargo xtask fuzz`: tries every target of `fuzz/` on inputs that libFuzzer makes up.
//!
//! ```text
//! build with coverage ─▶ per target: corpus ─ libFuzzer ─▶ new inputs, coverage
//!                                                   └────▶ an input that fails: kept, and how to try it again
//! ```
//!
//! The compiler that builds the product builds this too: coverage is a pass of LLVM that stable rustc
//! has. What is found goes below `target/`; an input worth keeping is copied to `fuzz/corpus/` by
//! hand. The time is shared out evenly among the targets.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

/// Runs the command; `args` is what follows `fuzz`. Returns the exit code.
///
/// # Errors
///
/// What is wrong with the arguments, or why it could not be tried.
pub fn main(args: &[String]) -> Result<u8, String> {
    let wanted = parse(args)?;
    let names = targets().map_err(|error| format!("{CORPUS}: {error}"))?;
    let chosen: Vec<&str> = match &wanted.target {
        None => names.iter().map(String::as_str).collect(),
        Some(name) if names.contains(name) => vec![name],
        Some(name) => return Err(format!("no target `{name}`; there are {}", names.join(", "))),
    };
    let program = build()?;
    if let (Some(input), [name]) = (&wanted.input, chosen.as_slice()) {
        let status = libfuzzer(&program, name).arg(input).status();
        return Ok(u8::from(!status.map_err(|error| error.to_string())?.success()));
    }

    let each = (wanted.seconds / chosen.len() as u64).max(1);
    println!(
        "{:<10} {:>12} {:>9} {:>8} {:>7}",
        "target", "executions", "coverage", "corpus", "time"
    );
    let mut failed = Vec::new();
    for name in chosen {
        let start = Instant::now();
        let (tally, failure) = explore(&program, name, each)?;
        println!("{}", row(name, &tally, start.elapsed()));
        failed.extend(failure.map(|it| (name, it)));
    }
    for (name, Failure { said, inputs }) in &failed {
        println!("\n==> {name} FAILED\n{said}");
        for input in inputs {
            println!("again: cargo xtask fuzz {name} --input {}", input.display());
        }
    }
    Ok(u8::from(!failed.is_empty()))
}

#[derive(Debug, Eq, PartialEq)]
struct Wanted {
    target: Option<String>,
    seconds: u64,
    input: Option<PathBuf>,
}

/// What libFuzzer counted.
#[derive(Debug, Default, Eq, PartialEq)]
struct Tally {
    executions: u64,
    coverage: u64,
    corpus: u64,
}

struct Failure {
    /// The end of what the program said.
    said: String,
    /// Inputs that lead there.
    inputs: Vec<PathBuf>,
}

fn parse(args: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted { target: None, seconds: DEFAULT_SECONDS, input: None };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let number = args.next().and_then(|it| it.parse().ok());
                wanted.seconds = number.ok_or("--seconds needs a number")?;
            }
            "--input" => wanted.input = Some(args.next().ok_or("--input needs a file")?.into()),
            name if !name.starts_with('-') && wanted.target.is_none() => {
                wanted.target = Some(name.to_owned());
            }
            other => return Err(format!("unknown argument `{other}`; {USAGE}")),
        }
    }
    if wanted.input.is_some() && wanted.target.is_none() {
        return Err(format!("--input needs a target; {USAGE}"));
    }
    Ok(wanted)
}

fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let directory = root().join("target/fuzz");
    let output = Command::new(cargo)
        .args(["build", "--profile", "fuzz", "--package", "stockade-fuzz"])
        .args(["--features", "libfuzzer", "--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(&directory)
        .env("RUSTFLAGS", COVERAGE.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo build: {error}"))?;
    if !output.status.success() {
        return Err("the targets do not build; libFuzzer needs a C++ compiler (g++)".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().rev().find_map(executable);
    executable.ok_or_else(|| "cargo build made no program".to_owned())
}

/// The program that one line of cargo's messages speaks of.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_ours = message["target"]["name"] == "stockade-fuzz";
    message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
}

fn explore(program: &Path, name: &str, seconds: u64) -> Result<(Tally, Option<Failure>), String> {
    let work = root().join("target/fuzz").join(name);
    let (found, failing) = (work.join("corpus"), work.join("failing"));
    for directory in [&found, &failing] {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let before = inputs(&failing);
    let output = libfuzzer(program, name)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", failing.display()))
        .args([&found, &root().join(CORPUS).join(name)])
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let failure = (!output.status.success()).then(|| {
        let lines: Vec<&str> = said.lines().collect();
        let inputs = inputs(&failing).into_iter().filter(|it| !before.contains(it)).collect();
        Failure { said: lines[lines.len().saturating_sub(SAID)..].join("\n"), inputs }
    });
    Ok((tally(&said), failure))
}

fn libfuzzer(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.env("STOCKADE_FUZZ_TARGET", name).args([
        "-timeout=30",
        "-rss_limit_mb=1024",
        "-max_len=8192",
        "-print_final_stats=1",
    ]);
    command
}

fn inputs(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|it| Some(it.ok()?.path())).collect()
}

/// The last of libFuzzer's lines: `#4096  DONE  cov: 812 ft: 2304 corp: 120/31Kb …`.
fn tally(said: &str) -> Tally {
    let mut tally = Tally::default();
    for line in said.lines().filter(|it| it.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|it| *it == name)?;
            words.get(at + 1)?.split('/').next()?.parse().ok()
        };
        let number =
            |text: Option<&&str>| text.and_then(|it| it.trim_start_matches('#').parse().ok());
        tally.executions = number(words.first()).unwrap_or(tally.executions);
        tally.coverage = after("cov:").unwrap_or(tally.coverage);
        tally.corpus = after("corp:").unwrap_or(tally.corpus);
    }
    tally
}

fn row(name: &str, Tally { executions, coverage, corpus }: &Tally, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!("{name:<10} {executions:>12} {coverage:>9} {corpus:>8} {seconds:>5.1} s")
}

/// The names of the targets: each has a directory of inputs.
fn targets() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join(CORPUS))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Counters and comparisons for libFuzzer, in all crates but the standard library.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

const CORPUS: &str = "fuzz/corpus";

const DEFAULT_SECONDS: u64 = 60;

/// Lines of a failing program that are shown.
const SAID: usize = 40;

const USAGE: &str = "usage: cargo xtask fuzz [TARGET] [--seconds N] [--input FILE]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_of_each_kind_is_told() {
        let said = "\
INFO: Seed: 7
#2	INITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 40Mb
#128	NEW    cov: 20 ft: 31 corp: 7/31Kb lim: 4 exec/s: 0 rss: 41Mb
#4096	DONE   cov: 812 ft: 2304 corp: 120/31Kb lim: 4096 exec/s: 2048 rss: 45Mb
Done 4096 runs in 2 second(s)
";
        assert_eq!(tally(said), Tally { executions: 4096, coverage: 812, corpus: 120 });
        assert_eq!(tally("thread panicked"), Tally::default());
    }

    #[test]
    fn an_input_belongs_to_a_target() {
        let args = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = Wanted { target: None, seconds: 60, input: None };
        assert_eq!(parse(&[]), Ok(all));
        let found = parse(&args(&["rules", "--seconds", "5", "--input", "a"]));
        let one = Wanted { target: Some("rules".into()), seconds: 5, input: Some("a".into()) };
        assert_eq!(found, Ok(one));
        for wrong in [&["--input", "a"][..], &["--seconds"], &["--seconds", "x"], &["a", "b"]] {
            assert!(parse(&args(wrong)).is_err(), "{wrong:?}");
        }
    }
}
