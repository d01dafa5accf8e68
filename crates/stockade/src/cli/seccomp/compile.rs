//! `stockade seccomp compile`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use stockade_abi::bpf::Program;
use stockade_seccomp::{compile, listing};

use super::{profile, target};
use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Compile a profile to the BPF program that the kernel gets
///
/// Writes the program as the kernel takes it: `struct sock_filter`, eight bytes each, in this
/// machine's byte order. With `--dump`, writes it for people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: profile::File,

    #[command(flatten)]
    target: target::Machine,

    /// Write the program in words: what each instruction does, and which calls it is about
    #[arg(long)]
    dump: bool,

    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let target = args.target.target()?;
    let source = profile::read(&args.file.profile, ui)?;
    let rules = source.rules(&target, ui)?;
    let program = compile(&rules).map_err(|why| Failure::new(Answer::No, why))?;
    let failed = |error: io::Error| Failure::unanswered(format!("cannot write: {error}"));
    let words = args.dump.then(|| listing(&program)).transpose().map_err(Failure::unanswered)?;
    let bytes = words.as_ref().map_or_else(|| raw(&program), |it| it.as_bytes().to_vec());
    match (&args.output, &words) {
        (Some(path), _) => {
            File::create(path).and_then(|mut it| it.write_all(&bytes)).map_err(failed)?;
        }
        (None, Some(words)) => ui.out(words)?,
        (None, None) if io::stdout().is_terminal() => {
            let what = "a program is no text for a terminal";
            let hint = "name a file with --output, or use --dump";
            return Err(Failure::question(what).hint(hint));
        }
        (None, None) => io::stdout().lock().write_all(&bytes).map_err(failed)?,
    }
    Ok(Answer::Yes)
}

fn raw(program: &Program) -> Vec<u8> {
    let one = |it: &stockade_abi::bpf::Instruction| {
        let [code_first, code_second] = it.code.to_ne_bytes();
        let [a, b, c, d] = it.k.to_ne_bytes();
        [code_first, code_second, it.jt, it.jf, a, b, c, d]
    };
    program.instructions().iter().flat_map(one).collect()
}
