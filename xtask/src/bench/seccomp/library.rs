//! libseccomp's side: the same profile in a small program that is linked with it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stockade_abi::Architecture;
use stockade_abi::bpf::{Instruction, Program};
use stockade_seccomp::{Listed, Name, Operator, Profile, ProfileRule};

use super::profiles::{others, target};
use crate::bench::programs;

/// The program with the library in it.
pub(super) struct Library(PathBuf);

/// How it lays out its filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layout {
    /// One comparison for each number, as crun has it.
    Plain,
    /// A binary tree, as runc has it.
    Tree,
}

impl Library {
    /// `None`, with a word about it, where there is no libseccomp to link with.
    pub(super) fn build(directory: &Path) -> Option<Self> {
        let path = directory.join("libseccomp");
        match programs::compile_with("gcc", "libseccomp.c", &path, &["-lseccomp"]) {
            Ok(()) => Some(Self(path)),
            Err(_) => {
                eprintln!("bench: no libseccomp to compare with (Debian: libseccomp-dev)");
                None
            }
        }
    }

    /// Compiles a profile into `file`; the nanoseconds.
    pub(super) fn compile(&self, layout: Layout, text: &str, file: &Path) -> Result<f64, String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.0.display());
        let word = match layout {
            Layout::Plain => "plain",
            Layout::Tree => "tree",
        };
        let mut child = Command::new(&self.0)
            .arg(word)
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(told)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes()).map_err(told)?;
        }
        let output = child.wait_with_output().map_err(told)?;
        let said = String::from_utf8_lossy(&output.stdout);
        said.trim().parse().map_err(|_| "libseccomp did not compile the profile".to_owned())
    }
}

/// A profile in the program's language.
pub(super) fn commands(profile: &Profile) -> String {
    let mut out = format!("new {:x}\n", profile.default_action.return_value());
    for other in others(&profile.architectures) {
        if let Listed::Known(known) = other {
            line(&mut out, format_args!("arch {:x}", token(known)));
        }
    }
    for rule in profile.rules.iter().filter(|it| applies(it)) {
        for name in &rule.names {
            let Name::Known(name) = name else { continue };
            let action = rule.action.return_value();
            let mut text = format!("rule {action:x} {} {}", name.name(), rule.conditions.len());
            for condition in &rule.conditions {
                let (operator, a, b) = match condition.operator {
                    Operator::NotEqual(value) => (1, value, 0),
                    Operator::Less(value) => (2, value, 0),
                    Operator::LessOrEqual(value) => (3, value, 0),
                    Operator::Equal(value) => (4, value, 0),
                    Operator::GreaterOrEqual(value) => (5, value, 0),
                    Operator::Greater(value) => (6, value, 0),
                    Operator::MaskedEqual { mask, value } => (7, mask, value),
                };
                text += &format!(" {} {operator} {a} {b}", condition.argument);
            }
            line(&mut out, format_args!("{text}"));
        }
    }
    out
}

/// Reads a program as the kernel takes it.
pub(super) fn read(file: &Path) -> Result<Program, String> {
    let bytes = std::fs::read(file).map_err(|it| format!("{}: {it}", file.display()))?;
    let instructions = bytes.chunks_exact(8).map(|it| Instruction {
        code: u16::from_ne_bytes([it[0], it[1]]),
        jt: it[2],
        jf: it[3],
        k: u32::from_ne_bytes([it[4], it[5], it[6], it[7]]),
    });
    Program::new(instructions.collect()).ok_or_else(|| format!("{}: no program", file.display()))
}

/// Writes a program as the kernel takes it.
pub(super) fn write(program: &Program, file: &Path) -> Result<(), String> {
    let bytes: Vec<u8> = (program.instructions().iter())
        .flat_map(|it| {
            let [a, b] = it.code.to_ne_bytes();
            let [c, d, e, f] = it.k.to_ne_bytes();
            [a, b, it.jt, it.jf, c, d, e, f]
        })
        .collect();
    std::fs::write(file, bytes).map_err(|it| format!("{}: {it}", file.display()))
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes everything");
}

/// It has no conditions on the machine and the container: they are decided here.
fn applies(rule: &ProfileRule) -> bool {
    let target = target();
    let native = Listed::Known(Architecture::X86_64);
    let (with, without) = (&rule.includes, &rule.excludes);
    let included = (with.architectures.is_empty() || with.architectures.contains(&native))
        && with.capabilities.is_subset(target.capabilities)
        && with.min_kernel.is_none_or(|least| target.kernel >= least);
    let excluded = without.architectures.contains(&native)
        || !without.capabilities.intersection(target.capabilities).is_empty()
        || without.min_kernel.is_some_and(|least| target.kernel >= least);
    included && !excluded
}

/// `SCMP_ARCH_*`: the audit number, and for x32 x86_64's without the bit for 64 bits.
fn token(architecture: Architecture) -> u32 {
    if architecture == Architecture::X32 { 0x4000_003E } else { architecture.audit_number() }
}
