//! A profile that was made of others: printed, with what its author should know.

use std::collections::BTreeMap;

use stockade_seccomp::{AlgebraError, Changed, Remark};

use super::profile::Source;
use crate::answer::{Answer, Failure};
use crate::diagnostics::Weight;
use crate::ui::{Ui, plain};

pub(super) fn answer(
    changed: Result<Changed, AlgebraError>,
    sources: &[&Source],
    ui: &mut Ui,
) -> Result<Answer, Failure> {
    let Changed { profile, denied_with, remarks } =
        changed.map_err(|error| failure(error, sources, ui))?;
    for (pattern, action) in denied_with.iter().filter(|it| Some(it.1) != default(sources)) {
        ui.note(&format!(
            "`{}` gets `{action}`: it takes fewer rules than the profile's default",
            plain(pattern)
        ));
    }
    let mut open: BTreeMap<(String, String, &str), Vec<String>> = BTreeMap::new();
    let mut errors: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for remark in remarks {
        match remark {
            Remark::Open { pattern, through, closed_by, architecture } => {
                open.entry((pattern, through, closed_by))
                    .or_default()
                    .push(architecture.to_string());
            }
            Remark::Error { syscall, architecture } => {
                errors.entry(architecture.to_string()).or_default().push(syscall);
            }
        }
    }
    for ((pattern, through, closed_by), architectures) in open {
        ui.warn(&format!(
            "what `{}` denies stays open through {through} on {}: its arguments lie in memory, where \
             a filter cannot look; `--deny {closed_by}` closes it",
            plain(&pattern),
            architectures.join(", ")
        ));
    }
    for (architecture, syscalls) in errors {
        ui.note(&format!(
            "on {architecture} fail with another error than before: {}",
            syscalls.join(", ")
        ));
    }
    ui.out(&profile.to_json())?;
    Ok(Answer::Yes)
}

fn default(sources: &[&Source]) -> Option<stockade_seccomp::Action> {
    sources.first().map(|it| it.profile.default_action)
}

fn failure(error: AlgebraError, sources: &[&Source], ui: &mut Ui) -> Failure {
    if let AlgebraError::Contradiction { profile, errors } = &error
        && let Some(source) = sources.get(*profile)
    {
        let all: Vec<_> = errors
            .iter()
            .map(|it| source.written.diagnostic(Weight::Error, it.second, "", it, None))
            .collect();
        source.written.texts().tell(&all, ui);
        return Failure::Said(Answer::WrongQuestion);
    }
    let failure = Failure::new(Answer::No, &error);
    let AlgebraError::NotExact { target, .. } = &error else { return failure };
    let capabilities = match target.capabilities.to_string() {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    };
    failure.hint(format!("shown by {}, capabilities: {capabilities}", target.architecture))
}
