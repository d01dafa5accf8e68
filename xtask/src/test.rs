//! `cargo xtask test`: everything that must hold before a change is done.
//!
//! ```text
//! format ─▶ lints ─▶ build ─▶ tests          each step runs, also after one that failed
//!                               └─ ignored ─▶ what was skipped, by name
//! ```
//!
//! A test that this machine cannot run says so and is skipped; the summary at
//! the end names each of them, because a skipped test has shown nothing. With
//! `--no-skip` a skip is a failure. What follows `--` goes to `cargo test`.
//!
//! What this module does *not* know: which tests there are and what they need.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs the command; `args` is what follows `test`. Returns the exit code.
///
/// # Errors
///
/// What is wrong with the arguments, or why a step could not be started.
pub fn main(args: &[String]) -> Result<u8, String> {
    let (skips, passed_on) = parse(args)?;
    let start = Instant::now();
    let mut results = Vec::new();
    for (name, arguments) in CHECKS {
        results.push(run(name, cargo(arguments))?);
    }

    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    tests.args(passed_on);
    match skips {
        Skips::Allowed => tests.env_remove(NO_SKIP),
        Skips::Fail => tests.env(NO_SKIP, "1"),
    };
    let mut tally = Tally::default();
    results.push(run_tests(tests, &mut tally)?);

    println!("{}", summary(&results, &tally, skips, start.elapsed()));
    Ok(u8::from(!is_success(&results, &tally, skips)))
}

/// What a skipped test means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Skips {
    Allowed,
    Fail,
}

/// One step that was run.
#[derive(Debug)]
struct StepResult {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Passed,
    Failed,
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        if status.success() { Self::Passed } else { Self::Failed }
    }
}

fn parse(args: &[String]) -> Result<(Skips, &[String]), String> {
    let mut skips = Skips::Allowed;
    for (index, arg) in args.iter().enumerate() {
        match arg.as_str() {
            "--no-skip" => skips = Skips::Fail,
            "--" => return Ok((skips, &args[index + 1..])),
            other => return Err(format!("unknown argument `{other}`; {USAGE}")),
        }
    }
    Ok((skips, &[]))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

fn run(name: &'static str, mut command: Command) -> Result<StepResult, String> {
    announce(name, &command);
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    Ok(StepResult { name, outcome: status.into(), took: start.elapsed() })
}

/// Runs the tests and passes on what they print, counting on the way.
fn run_tests(mut command: Command, tally: &mut Tally) -> Result<StepResult, String> {
    let name = "tests";
    let describe = |error: io::Error| format!("{name}: {error}");
    announce(name, &command);
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(describe)?;
    let mut output = BufReader::new(child.stdout.take().ok_or("tests: no output")?);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).map_err(describe)? > 0 {
        io::stdout().write_all(&line).map_err(describe)?;
        tally.count(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait().map_err(describe)?;
    Ok(StepResult { name, outcome: status.into(), took: start.elapsed() })
}

fn announce(name: &str, command: &Command) {
    let arguments: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
    println!("\n==> {name}: cargo {}", arguments.join(" "));
}

/// What the tests said about themselves.
#[derive(Debug, Default, Eq, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Fewer than `skipped` if a test wrote into its own line.
    names: Vec<String>,
}

impl Tally {
    fn count(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += number_before(result, "passed");
            self.failed += number_before(result, "failed");
            self.skipped += number_before(result, "ignored");
        } else if let Some((name, outcome)) =
            line.strip_prefix("test ").and_then(|it| it.rsplit_once(" ... "))
            && let Some(why) = outcome.strip_prefix("ignored")
        {
            self.names.push(format!("{}{}", name.trim_end(), why.replacen(", ", ": ", 1)));
        }
    }
}

/// The 3 of `2 passed; 3 failed`, 0 if the word is not there.
fn number_before(result: &str, word: &str) -> u64 {
    let words: Vec<&str> = result.split([' ', ';']).filter(|it| !it.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair[1] == word);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

fn is_success(results: &[StepResult], tally: &Tally, skips: Skips) -> bool {
    let steps = results.iter().all(|it| it.outcome == Outcome::Passed);
    steps && tally.failed == 0 && (tally.skipped == 0 || skips == Skips::Allowed)
}

fn summary(results: &[StepResult], tally: &Tally, skips: Skips, took: Duration) -> String {
    let mut lines = vec![String::new(), "==> summary".to_owned()];
    for StepResult { name, outcome, took } in results {
        let word = match outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
        };
        lines.push(format!("{name:<8} {word:<7} {:>6.1} s", took.as_secs_f64()));
    }
    let Tally { passed, failed, skipped, names } = tally;
    lines.push(format!("{passed} passed; {failed} failed; {skipped} skipped"));
    lines.extend(names.iter().map(|name| format!("  skipped: {name}")));
    if names.len() < usize::try_from(*skipped).unwrap_or(usize::MAX) {
        lines.push("  and others that wrote into their own line, see above".to_owned());
    }
    let verdict = match (is_success(results, tally, skips), skips) {
        (true, _) => "everything holds",
        (false, Skips::Fail) if *skipped > 0 => {
            "FAILED; with --no-skip a skipped test is a failure"
        }
        (false, _) => "FAILED",
    };
    lines.push(format!("{verdict}, after {:.0} s", took.as_secs_f64()));
    lines.join("\n")
}

/// The steps before the tests, cheapest first.
const CHECKS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("build", &["build"]),
];

/// Tells the tests that none of them may be skipped.
const NO_SKIP: &str = "STOCKADE_NO_SKIP";

const USAGE: &str = "usage: cargo xtask test [--no-skip] [-- ARG...]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_are_named_with_their_reason() {
        let mut tally = Tally::default();
        let output = "\
running 5 tests
test short ... ok
test plain ... ignored
test libtest::with_reason ... ignored, needs a moon
test padded       ... ignored (no program qemu; install it)
test named [skipped: no libseccomp] ... ignored
test ignored_by_name_only ... ok
test broken ... FAILED

test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 40 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";
        output.lines().for_each(|line| tally.count(line));
        let names = [
            "plain",
            "libtest::with_reason: needs a moon",
            "padded (no program qemu; install it)",
            "named [skipped: no libseccomp]",
        ];
        let names = names.map(String::from).to_vec();
        assert_eq!(tally, Tally { passed: 42, failed: 1, skipped: 5, names });
    }

    #[test]
    fn a_skip_is_a_failure_only_where_it_is_not_allowed() {
        let skipped = Tally { passed: 1, skipped: 1, ..Tally::default() };
        let failed = Tally { failed: 1, ..Tally::default() };
        for (tally, outcome, skips, expected) in [
            (&Tally::default(), Outcome::Passed, Skips::Fail, true),
            (&skipped, Outcome::Passed, Skips::Allowed, true),
            (&skipped, Outcome::Passed, Skips::Fail, false),
            (&failed, Outcome::Passed, Skips::Allowed, false),
            (&Tally::default(), Outcome::Failed, Skips::Allowed, false),
        ] {
            let results = [StepResult { name: "tests", outcome, took: Duration::ZERO }];
            assert_eq!(is_success(&results, tally, skips), expected, "{tally:?} {skips:?}");
            let text = summary(&results, tally, skips, Duration::ZERO);
            assert_eq!(text.contains("everything holds"), expected, "{text}");
        }
    }

    #[test]
    fn arguments_after_the_dashes_are_for_cargo_test() {
        let args = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let given = args(&["--no-skip", "--", "--test", "root"]);
        assert_eq!(parse(&given), Ok((Skips::Fail, &args(&["--test", "root"])[..])));
        assert!(parse(&args(&["--skip"])).is_err());
    }
}
