//! Plans carried out for real, as root, on the kernel that is here.
//!
//! One thread: the runtime makes children that are copies of it. Without root every test is listed
//! as skipped by name; with `STOCKADE_NO_SKIP=1` that is a failure.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attacks;
mod bundles;
mod effects;
mod failures;
mod joins;
mod lifecycle;
mod mounts;
mod rig;

use libtest_mimic::{Arguments, Trial};

/// A test: its name and what it does.
type Test = (&'static str, fn());

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let is_root = rustix::process::geteuid().is_root();
    let may_skip = std::env::var_os("STOCKADE_NO_SKIP").is_none();
    let all = [
        lifecycle::ALL,
        effects::ALL,
        mounts::ALL,
        failures::ALL,
        joins::ALL,
        bundles::ALL,
        attacks::ALL,
    ];
    let trials = all
        .concat()
        .into_iter()
        .map(|(name, test)| {
            let run = move || {
                if !is_root {
                    return Err("needs root".into());
                }
                rig::with_nothing_left_behind(test);
                Ok(())
            };
            Trial::test(name, run).with_ignored_flag(!is_root && may_skip)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}
