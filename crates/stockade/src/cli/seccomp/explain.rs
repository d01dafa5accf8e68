//! `stockade seccomp explain`.

use stockade_abi::syscalls::{self, Syscall};
use stockade_abi::{Architecture, Capability};
use stockade_seccomp::{
    Explanation, Known, ResolveError, Target, explain, explain_number, nearest_syscall,
    opened_with, openers,
};

use super::{Format, profile, target};
use crate::answer::{Answer, Failure};
use crate::diagnostics::Weight;
use crate::ui::Ui;

mod table;
mod wire;
mod words;

/// Say which rule of a profile decides on a system call, and why the others do not
///
/// With arguments, says what is decided about that call; without, which arguments lead to what.
/// Without a system call, says which ones each capability opens. Every architecture of the profile
/// is shown, and the way through `socketcall` and `ipc` where there is one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: profile::File,

    /// System call: its name, or its number on the machine that is asked about
    #[arg(value_name = "SYSCALL")]
    syscall: Option<String>,

    /// Its arguments: numbers, names as `AF_ALG` or `CLONE_NEWUSER|CLONE_NEWNS`, `_` for any
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    arguments: Vec<String>,

    #[command(flatten)]
    target: target::Machine,

    /// How to show it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let target = args.target.target()?;
    let known = words::arguments(&args.arguments).map_err(Failure::question)?;
    let asked = args.syscall.as_deref().map(Asked::read).transpose()?;
    let source = profile::read(&args.file.profile, ui)?;

    let Some(asked) = asked else {
        let opened = opened_with(&source.profile, &target);
        ui.out(&match args.output {
            Format::Text => table::capabilities(&opened),
            Format::Json => wire::capabilities(&opened)?,
        })?;
        return Ok(Answer::Yes);
    };
    let explanations = asked.explain(&source, &target, &known).map_err(|contradiction| {
        let place = contradiction.second;
        let all = [source.written.diagnostic(Weight::Error, place, "", &contradiction, None)];
        source.written.texts().tell(&all, ui);
        Failure::Said(Answer::WrongQuestion)
    })?;
    if explanations.is_empty() {
        let what = format!("no architecture of the profile has `{}`", asked.name(&target));
        return Err(Failure::question(what));
    }
    let openers = openers(&source.profile, &target, |target| {
        asked.explain(&source, target, &known).ok()?.into_iter().next()
    });
    let name = asked.name(&target);
    let is_narrowed = known.iter().any(Option::is_some);
    let answer = Answered { source: &source, name, explanations, is_narrowed, openers };
    ui.out(&match args.output {
        Format::Text => table::decisions(&answer),
        Format::Json => wire::decisions(&answer)?,
    })?;
    Ok(Answer::Yes)
}

/// What is asked about.
#[derive(Clone, Copy)]
enum Asked {
    Syscall(Syscall),
    Number(u32),
}

/// What there is to say.
struct Answered<'a> {
    source: &'a profile::Source,
    name: String,
    explanations: Vec<Explanation>,
    /// Whether arguments were given.
    is_narrowed: bool,
    /// Each of them alone would open more of it.
    openers: Vec<Capability>,
}

impl Asked {
    fn read(text: &str) -> Result<Self, Failure> {
        if let Some(syscall) = Syscall::named(text) {
            return Ok(Self::Syscall(syscall));
        }
        let number = match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        number.map(Self::Number).map_err(|_| {
            let failure = Failure::question(format!("there is no system call `{text}`"));
            match nearest_syscall(text) {
                Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
                None => failure,
            }
        })
    }

    fn name(self, target: &Target) -> String {
        match self {
            Self::Syscall(syscall) => syscall.name().to_owned(),
            Self::Number(number) => {
                let all = [target.architecture, Architecture::X32];
                let found = all.into_iter().find_map(|it| syscalls::name(it, number));
                found.map_or_else(|| format!("call {number:#x}"), str::to_owned)
            }
        }
    }

    /// The decisions, as far as the arguments leave them open. What lies behind a multiplexer has
    /// its arguments in memory.
    fn explain(
        self,
        source: &profile::Source,
        target: &Target,
        known: &Known,
    ) -> Result<Vec<Explanation>, ResolveError> {
        let all = match self {
            Self::Syscall(syscall) => explain(&source.profile, target, syscall)?,
            Self::Number(number) => vec![explain_number(&source.profile, target, number)?],
        };
        let given = |it: Explanation| if it.through.is_some() { it } else { it.given(known) };
        Ok(all.into_iter().map(given).collect())
    }
}
