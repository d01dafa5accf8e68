//! The C programs of the benchmarks: the floor, what runs it, and what it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::profile;

/// The compiled programs.
pub(super) struct Programs {
    /// What the kernel alone takes.
    pub(super) floor: PathBuf,
    /// Runs and measures commands.
    pub(super) runner: PathBuf,
    /// The workload.
    pub(super) payload: PathBuf,
}

/// Compiles them into `directory`.
pub(super) fn build(directory: &Path) -> Result<Programs, String> {
    let filter = directory.join("filter.h");
    fs::write(&filter, profile::header()?).map_err(|error| error.to_string())?;
    let programs = Programs {
        floor: directory.join("floor"),
        runner: directory.join("runner"),
        payload: directory.join("payload"),
    };
    let include = format!("-I{}", directory.display());
    compile("floor.c", &programs.floor, &[&include])?;
    compile("runner.c", &programs.runner, &[])?;
    compile_with("gcc", "payload.c", &programs.payload, &["-nostdlib", "-Wl,--build-id=none"])?;
    Ok(programs)
}

/// With musl if it is there, whose programs start in a third of the time; or else with glibc.
fn compile(source: &str, to: &Path, more: &[&str]) -> Result<(), String> {
    // musl's compiler wrapper knows no kernel headers.
    let headers = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"];
    let with_musl = compile_with("musl-gcc", source, to, &[&headers[..], more].concat());
    with_musl.or_else(|_| {
        eprintln!("bench: no musl-gcc (musl-tools), so {source} is slowed down by glibc's start");
        compile_with("gcc", source, to, more)
    })
}

/// Compiles one with `compiler`, statically.
pub(super) fn compile_with(
    compiler: &str,
    source: &str,
    to: &Path,
    more: &[&str],
) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join(source);
    let output = Command::new(compiler)
        .args(["-static", "-O2", "-Wall", "-Wextra"])
        .arg(&source)
        // After the source, as the linker wants libraries.
        .args(more)
        .arg("-o")
        .arg(to)
        .output()
        .map_err(|error| format!("{compiler}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{compiler} {}:\n{said}", source.display()))
}
