//! The kernel's column tells the truth.
//!
//! A pod declares every mechanism. Then one step of its plan is left out or loosened, behind the
//! back of whoever declared it; the process is started, held at its first instruction and looked at
//! by number alone. The line of that mechanism must turn red, no other may, and the plan that nobody
//! touched must hold in every line. A process that was started well is weakened in place, too.
//!
//! AppArmor has its place in a virtual machine; this kernel need not have it.
//!
//! One thread: the runtime makes children that are copies of it. Without root every test is listed
//! as skipped by name; with `STOCKADE_NO_SKIP=1` that is a failure.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "each weakening changes one kind of step")]

mod live;
mod privilege;
mod stand;
mod turns;
mod volumes;
mod weakened;

use std::path::Path;

use libtest_mimic::{Arguments, Trial};

/// A test: its name and what it does.
type Test = (&'static str, fn());

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let missing = missing();
    let may_skip = std::env::var_os("STOCKADE_NO_SKIP").is_none();
    let trials = [weakened::ALL, volumes::ALL, privilege::ALL, live::ALL, turns::ALL]
        .concat()
        .into_iter()
        .map(|(name, test)| {
            let run = move || match missing {
                Some(what) => Err(what.into()),
                None => {
                    stand::with_nothing_left_behind(test);
                    Ok(())
                }
            };
            Trial::test(name, run).with_ignored_flag(missing.is_some() && may_skip)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("needs root")
    } else if !Path::new("/bin/busybox").exists() {
        Some("needs /bin/busybox (busybox-static)")
    } else {
        None
    }
}
