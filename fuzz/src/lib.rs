//! What must hold for every input, as functions that panic where it does not.
//!
//! Each target is one file and one line in [`TARGETS`]. `cargo xtask fuzz` tries them on inputs that
//! libFuzzer makes up, led by coverage; the tests try them on the inputs in `corpus/`, which were
//! worth keeping. Whatever once failed is one of these.
//!
//! What this crate does *not* know: how inputs are found, and what is done about a failure.

mod bundle;
mod calls;
mod kernel;
mod manifest;
mod profile;
mod program;
mod rules;
mod supply;

/// Something that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its directory in `corpus/`.
    pub name: &'static str,
    /// Panics if what must hold does not.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "bundle", run: bundle::run },
    Target { name: "manifest", run: manifest::run },
    Target { name: "profile", run: profile::run },
    Target { name: "program", run: program::run },
    Target { name: "rules", run: rules::run },
];
