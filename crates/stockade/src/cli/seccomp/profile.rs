//! Profiles as they are named on a command line.

use std::path::{Path, PathBuf};

use stockade_seccomp::{Profile, Rules, Target, default_profile, resolve};

use super::written::{Written, open, place};
use crate::answer::{Answer, Failure};
use crate::diagnostics::Weight;
use crate::ui::Ui;

/// A profile that was read.
#[derive(Debug)]
pub(super) struct Source {
    /// As it stands in its file.
    pub(super) written: Written,
    /// What it says.
    pub(super) profile: Profile,
}

/// Reads a profile in any of its forms. Its mistakes and what is odd about it are drawn beside its
/// lines.
pub(super) fn read(path: &Path, ui: &mut Ui) -> Result<Source, Failure> {
    if path.as_os_str() == RUNTIME_DEFAULT {
        let written = Written::nowhere(RUNTIME_DEFAULT);
        return Ok(Source { written, profile: default_profile() });
    }
    let written = open(path, ui)?;
    let parsed = Profile::parse(&written.file, written.json()).map_err(|mistakes| {
        let all: Vec<_> = mistakes
            .iter()
            .map(|it| {
                let (at, path) = (written.at(it.place), written.path(&it.path));
                written.diagnostic(Weight::Error, at, &path, &it.kind, it.kind.hint())
            })
            .collect();
        written.texts().tell(&all, ui);
        Failure::Said(Answer::WrongQuestion)
    })?;
    let mut odd: Vec<_> = parsed
        .warnings
        .iter()
        .map(|it| {
            let (at, path) = (written.at(it.place), written.path(&it.path));
            written.diagnostic(Weight::Warning, at, &path, &it.kind, it.kind.hint())
        })
        .collect();
    let base = written.object.as_ref().and_then(|it| it.base_profile.as_ref());
    odd.extend(base.map(|(name, position)| {
        let what = format!("`{name}` is not here; this is the profile without it");
        let (at, path) = (place(*position), "spec.baseProfileName");
        written.diagnostic(Weight::Warning, at, path, what, None)
    }));
    written.texts().tell(&odd, ui);
    let mut profile = parsed.profile;
    for rule in &mut profile.rules {
        rule.place = written.at(rule.place);
    }
    Ok(Source { written, profile })
}

impl Source {
    /// What the profile means on a machine. Its contradictions are drawn beside its lines.
    pub(super) fn rules(&self, target: &Target, ui: &mut Ui) -> Result<Rules, Failure> {
        resolve(&self.profile, target).map_err(|contradictions| {
            let all: Vec<_> = contradictions
                .iter()
                .map(|it| self.written.diagnostic(Weight::Error, it.second, "", it, None))
                .collect();
            self.written.texts().tell(&all, ui);
            Failure::Said(Answer::WrongQuestion)
        })
    }
}

/// The argument that names a profile.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct File {
    /// Profile: a file, `-`, or `RuntimeDefault` for the built-in one
    #[arg(value_name = "PROFILE")]
    pub(super) profile: PathBuf,
}

/// The name under which our own profile is known.
pub(super) const RUNTIME_DEFAULT: &str = "RuntimeDefault";
