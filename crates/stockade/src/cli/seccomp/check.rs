//! `stockade seccomp check`.

use std::path::{Path, PathBuf};

use stockade_seccomp::{
    Finding, MALFORMED, Parsed, Profile, Severity, Target, default_profile, lint, mistakes,
};

use super::written::{Written, open};
use super::{Format, profile, target};
use crate::answer::{Answer, Failure};
use crate::diagnostics::Weight;
use crate::ui::Ui;

mod wire;

/// Find what in profiles is probably not what their author meant
///
/// An error is a hole in what the profile sets out to close, or a container that cannot work; a
/// warning is likely to surprise; a note is a fact worth knowing. Answers no (exit code 1) if there
/// is an error, and 2 if a file is no profile.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profiles: files, `-`, or `RuntimeDefault` for the built-in one
    #[arg(value_name = "PROFILE", required = true)]
    profiles: Vec<PathBuf>,

    #[command(flatten)]
    target: target::Machine,

    /// Let warnings and notes count as errors do
    #[arg(long)]
    strict: bool,

    /// How to show what was found
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Answer, Failure> {
    let target = args.target.target()?;
    let all: Result<Vec<Checked>, Failure> =
        args.profiles.iter().map(|path| check(path, &target, ui)).collect();
    let all = all?;
    match args.output {
        Format::Text => {
            let columns = ui.columns();
            for checked in &all {
                ui.out(&checked.draw(columns))?;
            }
            ui.note(&summary(&all));
        }
        Format::Json => ui.out(&wire::json(&all)?)?,
    }
    let counts = |it: &Finding| args.strict || it.severity == Severity::Error;
    let findings = || all.iter().flat_map(|it| &it.findings);
    Ok(if findings().any(|it| it.lint == MALFORMED) {
        Answer::WrongQuestion
    } else if findings().any(counts) {
        Answer::No
    } else {
        Answer::Yes
    })
}

/// A profile and what was found in it.
struct Checked {
    written: Written,
    findings: Vec<Finding>,
}

fn check(path: &Path, target: &Target, ui: &mut Ui) -> Result<Checked, Failure> {
    if path.as_os_str() == profile::RUNTIME_DEFAULT {
        let parsed = Parsed { profile: default_profile(), warnings: Vec::new() };
        let findings = lint(&parsed, "", target);
        return Ok(Checked { written: Written::nowhere(profile::RUNTIME_DEFAULT), findings });
    }
    let written = open(path, ui)?;
    let json = written.json();
    let mut findings = match Profile::parse(&written.file, json) {
        Ok(parsed) => lint(&parsed, json, target),
        Err(errors) => mistakes(&errors),
    };
    for finding in &mut findings {
        finding.place = finding.place.map(|it| written.at(it));
        finding.path = written.path(&finding.path);
    }
    Ok(Checked { written, findings })
}

impl Checked {
    fn draw(&self, columns: Option<usize>) -> String {
        let texts = self.written.texts();
        let one = |it: &Finding| {
            let weight = match it.severity {
                Severity::Note => Weight::Note,
                Severity::Warning => Weight::Warning,
                Severity::Error => Weight::Error,
            };
            let place = it.place.unwrap_or_default();
            let mut diagnostic =
                self.written.diagnostic(weight, place, &it.path, &it.what, it.fix.clone());
            diagnostic.reason = Some(it.lint.to_owned());
            diagnostic.why = Some(it.why.clone());
            texts.draw(&diagnostic, columns) + "\n\n"
        };
        self.findings.iter().map(one).collect()
    }
}

/// `2 profiles: 1 error, 3 warnings, no notes`.
fn summary(all: &[Checked]) -> String {
    let count = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let of = |severity: Severity| {
        let findings = all.iter().flat_map(|it| &it.findings);
        count(findings.filter(|it| it.severity == severity).count(), severity.word())
    };
    format!(
        "{}: {}, {}, {}",
        count(all.len(), "profile"),
        of(Severity::Error),
        of(Severity::Warning),
        of(Severity::Note)
    )
}
