//! Processes that are confined for real, as root, and seen from outside.
//!
//! One thread, because the specimens are children that are copies of this process. Without root
//! every test is listed as skipped by name; with `STOCKADE_NO_SKIP=1` that is a failure.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cgroups;
mod hostile;
mod identity;
mod mounts;
mod observer;
mod specimen;
mod views;

use std::fs;

use libtest_mimic::{Arguments, Trial};

/// A test, what it needs beside root, and what it does.
type Test = (&'static str, Needs, fn());

/// What a machine may lack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    Nothing,
    /// A controller, on whatever version.
    Controller(&'static str),
    /// The v1 device controller.
    DevicesV1,
    /// The unified hierarchy, with or without controllers.
    Unified,
    /// A file system whose server is a process.
    Fuse,
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let may_skip = std::env::var_os("STOCKADE_NO_SKIP").is_none();
    let all = [cgroups::ALL, hostile::ALL, identity::ALL, mounts::ALL, observer::ALL, views::ALL];
    let trials = all.concat().into_iter().map(|(name, needs, test)| {
        let lack = lack(needs);
        let skip = lack.is_some() && may_skip;
        let run = move || match lack {
            Some(lack) => Err(lack.into()),
            None => {
                test();
                Ok(())
            }
        };
        Trial::test(name, run).with_ignored_flag(skip)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn lack(needs: Needs) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let there = match needs {
        Needs::Nothing => true,
        Needs::Controller(name) => cgroups::has(name),
        Needs::DevicesV1 => cgroups::v1("devices").is_some(),
        Needs::Unified => cgroups::unified().is_some(),
        Needs::Fuse => fs::exists("/dev/fuse").is_ok_and(|it| it),
    };
    (!there).then(|| format!("needs {needs:?}"))
}
