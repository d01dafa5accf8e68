//! Agreement with upstream Kubernetes, case by case.
//!
//! The cases are data that upstream's own code computed. They are not part of the project: they are
//! read from `../shared/conformance` beside it, or from where `STOCKADE_CONFORMANCE` says, whatever
//! files are there. Where there are none, nothing is run and nothing is counted; what nobody here
//! can answer is named as not run.
//!
//! A case is one test for each version of Kubernetes that it has an answer of; of a range of versions
//! the first and the last are asked. What a pod asks for and this build refuses as not enforced has
//! no answer to compare; these cases are listed before the tests and not counted either.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the crate is pure, its cases are files; a test says no by panicking"
)]

mod kubelet;
mod meant;
mod node;
mod place;
mod server;
mod versions;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

/// Compares one case with what upstream says at a version.
type Compare = fn(&Case) -> Outcome;

/// What of the cases of a file is compared.
struct Family {
    /// The file, without its ending.
    file: &'static str,
    /// What is compared, where a file has more than one answer; empty for the first.
    what: &'static str,
    compare: Compare,
}

/// One case of a file, at one version.
#[derive(Clone, Debug)]
struct Case {
    /// What is given.
    input: Value,
    /// The minor version of Kubernetes.
    minor: u16,
    /// What upstream answers.
    expected: Value,
}

/// What came of a comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Outcome {
    Same,
    Differs(String),
    /// This build refuses what the pod asks for, by name.
    NoAnswer(String),
}

impl Outcome {
    /// Compares two answers.
    fn of<T: std::fmt::Debug + PartialEq>(ours: &T, upstream: &T) -> Self {
        if ours == upstream {
            Self::Same
        } else {
            Self::Differs(format!("expected: {upstream:#?}\ngot:      {ours:#?}"))
        }
    }

    /// This one, unless it is fine: then the next.
    fn and(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Same => next(),
            Self::Differs(_) | Self::NoAnswer(_) => self,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = std::env::var_os("STOCKADE_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("conformance data: not run, {} is not there", folder.display());
        return ExitCode::SUCCESS;
    }
    let mut trials = Vec::new();
    for folder in entries(&folder).into_iter().filter(|it| it.is_dir()) {
        let name = name_of(&folder);
        if name == "node" {
            trials.extend(run(&folder));
        } else {
            let files = json_files(&folder).len();
            println!("not run: {name}/: {files} files of a family that nothing here answers");
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Compares the files of the node's folder.
fn run(folder: &Path) -> Vec<Trial> {
    let mut trials = Vec::new();
    for path in json_files(folder) {
        let file = path.strip_prefix(folder).unwrap().with_extension("");
        let file = file.to_str().unwrap();
        let mut families = node::FAMILIES.iter().filter(|it| it.file == file).peekable();
        if families.peek().is_none() {
            println!("not run: node/{file}.json: nothing here answers cases of this name");
        }
        for family in families {
            trials.extend(run_file(&path, family));
        }
    }
    let here: BTreeSet<_> = json_files(folder).iter().map(|it| name_of(it)).collect();
    for family in node::FAMILIES {
        if family.what.is_empty() && !here.contains(&format!("{}.json", family.file)) {
            println!("not run: node/{}.json: not there", family.file);
        }
    }
    trials
}

/// Compares the cases of one file, and says how many agree.
fn run_file(path: &Path, family: &Family) -> Vec<Trial> {
    let Family { file, what, compare } = family;
    let title = format!("node/{file}{}{what}", if what.is_empty() { "" } else { "/" });
    let cases = match cases(path) {
        Ok(cases) => cases,
        Err(why) => {
            println!("{title}: 0 passed, 1 failed");
            return vec![Trial::test(title, move || Err(why.into()))];
        }
    };
    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    let mut trials = Vec::new();
    for (name, case) in cases {
        let name = format!("{title}/{name}/v1.{}", case.minor);
        match judge(&case, *compare) {
            Outcome::Same => {
                passed += 1;
                trials.push(Trial::test(name, || Ok(())));
            }
            Outcome::Differs(how) => {
                failed += 1;
                let given = case.input.to_string();
                trials.push(Trial::test(name, move || Err(format!("{how}\n{given}").into())));
            }
            Outcome::NoAnswer(why) => {
                left_out += 1;
                println!("not compared: {name}: {why}");
            }
        }
    }
    let left_out = if left_out == 0 { String::new() } else { format!(", {left_out} not compared") };
    println!("{title}: {passed} passed, {failed} failed{left_out}");
    trials
}

/// A case that cannot be read must not hide the others.
fn judge(case: &Case, compare: Compare) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| compare(case))).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().cloned();
        let why = why.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Outcome::Differs(format!("not understood: {}", why.unwrap_or_default()))
    })
}

/// The cases of a file, each at each of its versions.
fn cases(file: &Path) -> Result<Vec<(String, Case)>, String> {
    let text = std::fs::read_to_string(file).map_err(|it| it.to_string())?;
    let all: Option<Vec<Value>> = serde_json::from_str(&text).map_err(|it| it.to_string())?;
    let mut cases = Vec::new();
    for (index, input) in all.into_iter().flatten().enumerate() {
        let name = input["name"].as_str().map_or_else(|| index.to_string(), ToOwned::to_owned);
        let Some(answers) = input["expected"].as_object() else {
            return Err(format!("{name}: nothing is expected"));
        };
        for (versions, expected) in answers {
            let Some(minors) = versions::of(versions) else {
                return Err(format!("{name}: {versions:?} is no version"));
            };
            for minor in minors {
                let (input, expected) = (input.clone(), expected.clone());
                cases.push((name.clone(), Case { input, minor, expected }));
            }
        }
    }
    Ok(cases)
}

/// What ends in `.json` in a folder and those in it.
fn json_files(folder: &Path) -> Vec<PathBuf> {
    let below = |path: PathBuf| if path.is_dir() { json_files(&path) } else { vec![path] };
    let all = entries(folder).into_iter().flat_map(below);
    all.filter(|it| it.extension().is_some_and(|it| it == "json")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    all.sort();
    all
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
