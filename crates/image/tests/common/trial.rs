//! Tests that a machine may be unable to run: then they say so and count as skipped. With
//! `--no-skip`, or `STOCKADE_NO_SKIP` in the environment, they fail instead.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// One test.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
}

/// Runs `tests` on one thread, if the machine has what they need; `lacks` says what it has not.
pub(crate) fn run(tests: &[Test], lacks: Option<&str>) -> ExitCode {
    let no_skip = std::env::args().any(|it| it == "--no-skip")
        || std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let mut arguments = Arguments::from_iter(std::env::args().filter(|it| it != "--no-skip"));
    arguments.test_threads = Some(1);

    let trials = tests.iter().map(|&Test { name, run }| {
        let lacks = lacks.map(str::to_owned);
        if let Some(lacks) = &lacks
            && !no_skip
        {
            eprintln!("skipped: {name}: {lacks}");
        }
        let is_skipped = lacks.is_some() && !no_skip;
        let body = move || match lacks {
            Some(lacks) => Err(lacks.into()),
            None => {
                run();
                Ok(())
            }
        };
        Trial::test(name, body).with_ignored_flag(is_skipped)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
