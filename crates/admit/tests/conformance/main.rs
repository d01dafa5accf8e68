//! Agreement with upstream Kubernetes, case by case.
//!
//! The cases are data that upstream's own code computed. They are not part of the project: they are
//! read from `../shared/conformance` beside it, or from where `STOCKADE_CONFORMANCE` says. Where
//! there are none, nothing is run and nothing is counted.
//!
//! A case is one test for each version of Kubernetes that it has an answer of. What a pod asks for
//! and this build refuses as not enforced has no answer to compare; these cases are listed before
//! the tests and not counted either.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the crate is pure, its cases are files; a test says no by panicking"
)]

mod node;
mod place;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

/// Compares one case with what upstream says at a version.
type Compare = fn(&Case) -> Outcome;

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
    NotEnforced(String),
}

impl Outcome {
    /// Compares two answers.
    fn of<T: std::fmt::Debug + PartialEq>(ours: &T, upstream: &T) -> Self {
        if ours == upstream {
            Self::Same
        } else {
            Self::Differs(format!("ours:     {ours:#?}\nupstream: {upstream:#?}"))
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
    for (file, compare) in node::FILES {
        for (name, case) in cases(&folder.join("node").join(format!("{file}.json"))) {
            let name = format!("node/{file}/{name}/v1.{}", case.minor);
            match compare(&case) {
                Outcome::Same => trials.push(Trial::test(name, || Ok(()))),
                Outcome::Differs(how) => {
                    let given = case.input.to_string();
                    trials.push(Trial::test(name, move || Err(format!("{how}\n{given}").into())));
                }
                Outcome::NotEnforced(why) => println!("not compared: {name}: {why}"),
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The cases of a file, each at each of its versions.
fn cases(file: &Path) -> Vec<(String, Case)> {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|it| panic!("{}: {it}", file.display()));
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let at_versions = |input: Value| {
        let name = input["name"].as_str().unwrap().to_owned();
        let versions = input["expected"].as_object().unwrap().clone();
        versions.into_iter().map(move |(version, expected)| {
            let minor = version.strip_prefix("v1.").unwrap().parse().unwrap();
            (name.clone(), Case { input: input.clone(), minor, expected })
        })
    };
    all.into_iter().flat_map(at_versions).collect()
}
