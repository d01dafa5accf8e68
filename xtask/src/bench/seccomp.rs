//! `cargo xtask bench seccomp`: filters, ours beside libseccomp's.
//!
//! Our compiler is measured as it is shipped: where this program was built without optimisation, it
//! builds itself anew, for musl if that target is installed, and runs that.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use stockade_abi::bpf::Program;

use super::programs;
use executed::Executed;
use library::{Layout, Library};
use profiles::{Case, Scope};

mod executed;
mod library;
mod profiles;
mod table;

/// Runs the benchmark; `args` is what follows `seccomp`.
pub(super) fn main(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    if cfg!(debug_assertions) {
        return optimised(args);
    }
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let work = directory.path();
    let filtered = work.join("filtered");
    programs::compile_with("gcc", "filtered.c", &filtered, &[])?;
    let library = Library::build(work);
    let mut bench = Bench { filtered, library, rows: Vec::new(), bare: Vec::new() };

    let cases = profiles::cases(&options.profiles)?;
    for (index, case) in cases.iter().enumerate() {
        bench.prepare(case, &work.join(index.to_string()))?;
    }
    for round in 0..WARM_UP + options.rounds {
        if round == WARM_UP {
            bench.forget();
        }
        bench.bare.push(bench.calls(Path::new("none"))?);
        for turn in 0..bench.rows.len() {
            // Each follows each.
            let index = (turn + round) % bench.rows.len();
            bench.measure(index, &cases)?;
        }
    }
    println!(
        "{} rounds, taking turns; medians; {}; {}",
        options.rounds,
        if cfg!(target_env = "musl") { "musl" } else { "not musl: slower than what is shipped" },
        super::start::kernel()
    );
    table::print(&cases, &bench);
    Ok(())
}

/// Everything that is measured.
struct Bench {
    filtered: PathBuf,
    library: Option<Library>,
    rows: Vec<Row>,
    /// Calls without a filter.
    bare: Vec<Calls>,
}

/// One compiler's filter for one case.
struct Row {
    case: usize,
    by: By,
    text: String,
    file: PathBuf,
    program: Program,
    executed: Executed,
    /// Nanoseconds from the text, and from the profile on.
    parsed: Vec<f64>,
    compiled: Vec<f64>,
    calls: Vec<Calls>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum By {
    Us,
    Library(Layout),
}

/// Nanoseconds: to load the filter, and of each kind of call.
#[derive(Clone, Copy, Debug)]
struct Calls {
    load: f64,
    allowed: f64,
    checked: f64,
    denied: f64,
}

impl Bench {
    /// Compiles a case with everybody, for what does not change from round to round.
    fn prepare(&mut self, case: &Case, file: &Path) -> Result<(), String> {
        let index = self.rows.last().map_or(0, |it| it.case + 1);
        let profile = case.profile()?;
        let rules = case.rules(&profile)?;
        let text = library::commands(&profile);
        let mut all = vec![By::Us];
        if self.library.is_some() {
            all.extend([By::Library(Layout::Plain), By::Library(Layout::Tree)]);
        }
        for by in all {
            let file = file.with_extension(format!("{by:?}"));
            match (by, &self.library) {
                (By::Library(layout), Some(library)) => {
                    library.compile(layout, &text, &file)?;
                }
                _ => library::write(&case.compile()?, &file)?,
            }
            let program = library::read(&file)?;
            let executed = Executed::of(&program, &rules)?;
            self.rows.push(Row {
                case: index,
                by,
                text: text.clone(),
                file,
                program,
                executed,
                parsed: Vec::new(),
                compiled: Vec::new(),
                calls: Vec::new(),
            });
        }
        Ok(())
    }

    fn measure(&mut self, index: usize, cases: &[Case]) -> Result<(), String> {
        let calls = self.calls(&self.rows[index].file)?;
        let row = &mut self.rows[index];
        row.calls.push(calls);
        let case = &cases[row.case];
        match (row.by, &self.library) {
            (By::Library(layout), Some(library)) => {
                row.compiled.push(library.compile(layout, &row.text, &row.file)?);
            }
            _ => {
                row.parsed.push(each(|| case.compile().map(drop))?);
                let profile = case.profile()?;
                row.compiled.push(each(|| {
                    let rules = case.rules(&profile)?;
                    stockade_seccomp::compile(&rules).map(drop).map_err(|it| it.to_string())
                })?);
            }
        }
        Ok(())
    }

    fn calls(&self, file: &Path) -> Result<Calls, String> {
        let output = Command::new(&self.filtered).arg(file).output();
        let output = output.map_err(|it| format!("{}: {it}", self.filtered.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        match numbers[..] {
            [load, allowed, checked, denied] => Ok(Calls { load, allowed, checked, denied }),
            _ => Err(format!("{} was not loaded", file.display())),
        }
    }

    fn forget(&mut self) {
        self.bare.clear();
        for row in &mut self.rows {
            row.parsed.clear();
            row.compiled.clear();
            row.calls.clear();
        }
    }
}

/// The nanoseconds of one of several, as a clock costs as much as a part of one.
fn each(mut what: impl FnMut() -> Result<(), String>) -> Result<f64, String> {
    let start = Instant::now();
    for _ in 0..AT_ONCE {
        what()?;
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(AT_ONCE))
}

/// Builds this program with optimisation and runs it.
fn optimised(args: &[String]) -> Result<(), String> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let has_musl =
        installed.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).lines().any(|it| it == MUSL));
    let target: &[&str] = if has_musl { &["--target", MUSL] } else { &[] };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--release", "--package", "xtask"])
        .args(target)
        .args(["--", "bench", "seccomp"])
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the optimised build did not do it".to_owned()) }
}

/// What is on the command line.
struct Options {
    profiles: Vec<String>,
    rounds: usize,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { profiles: Vec::new(), rounds: 30 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            match arg.as_str() {
                "--profile" => options.profiles.push(value.clone()),
                "--rounds" => {
                    let rounds = value.parse().ok().filter(|it| *it > 0);
                    options.rounds =
                        rounds.ok_or_else(|| format!("--rounds: `{value}` is no number"))?;
                }
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        Ok(options)
    }
}

/// Rounds that fill caches and are not counted.
const WARM_UP: usize = 2;

const AT_ONCE: u32 = 20;

const MUSL: &str = "x86_64-unknown-linux-musl";
