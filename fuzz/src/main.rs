//! All targets behind libFuzzer; `STOCKADE_FUZZ_TARGET` says which one. Started by `cargo xtask fuzz`.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use stockade_fuzz::{TARGETS, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| (TARGET.get_or_init(chosen).run)(data));

fn chosen() -> Target {
    let name = std::env::var("STOCKADE_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|it| it.name == name);
    *found.unwrap_or_else(|| panic!("STOCKADE_FUZZ_TARGET names no target: `{name}`"))
}
