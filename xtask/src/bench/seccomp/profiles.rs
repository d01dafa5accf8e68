//! The profiles that are compiled.

use std::fs;
use std::path::Path;

use serde_json::Value;
use stockade_abi::bpf::Program;
use stockade_seccomp::{
    ArchitectureList, Listed, Parsed, Profile, Rules, Target, compile, default_profile, resolve,
};

use crate::bench::profile;

/// One profile, for one list of architectures.
pub(super) struct Case {
    /// What it is called in the tables.
    pub(super) name: String,
    pub(super) scope: Scope,
    source: Source,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// x86_64, x32 and i386, as the profiles have it.
    Three,
    /// x86_64 alone.
    Native,
}

enum Source {
    Text(String),
    /// The product's own default is never text.
    BuiltIn,
}

impl Case {
    /// From the text, or from where it begins for the built-in one, to the program.
    pub(super) fn compile(&self) -> Result<Program, String> {
        compile(&self.rules(&self.profile()?)?).map_err(|it| it.to_string())
    }

    pub(super) fn profile(&self) -> Result<Profile, String> {
        match &self.source {
            Source::Text(text) => match Profile::parse(&self.name, text) {
                Ok(Parsed { profile, .. }) => Ok(profile),
                Err(errors) => Err(errors.iter().map(|it| format!("{it}\n")).collect()),
            },
            Source::BuiltIn => Ok(match self.scope {
                Scope::Three => default_profile(),
                Scope::Native => {
                    Profile { architectures: ArchitectureList::Native, ..default_profile() }
                }
            }),
        }
    }

    pub(super) fn rules(&self, profile: &Profile) -> Result<Rules, String> {
        resolve(profile, &target()).map_err(|errors| format!("{}: {errors:?}", self.name))
    }
}

/// A container with no capability: no profile allows less, and every condition stays.
pub(super) fn target() -> Target {
    Target { capabilities: stockade_abi::CapabilitySet::EMPTY, ..profile::target() }
}

/// Those that are named, podman's default if it is installed, and our own; each for three architectures
/// and for one.
pub(super) fn cases(named: &[String]) -> Result<Vec<Case>, String> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path).map_err(|it| format!("{}: {it}", path.display()))?;
        pair(&path.file_stem().unwrap_or_default().to_string_lossy(), &text)
    };
    let mut all = Vec::new();
    for path in named {
        all.extend(read(Path::new(path))?);
    }
    match fs::read_to_string(PODMAN) {
        Ok(text) => all.extend(pair("podman", &text)?),
        Err(error) => eprintln!("bench: without podman's profile ({PODMAN}: {error})"),
    }
    for scope in [Scope::Three, Scope::Native] {
        all.push(Case { name: "RuntimeDefault".to_owned(), scope, source: Source::BuiltIn });
    }
    Ok(all)
}

fn pair(name: &str, text: &str) -> Result<[Case; 2], String> {
    let mut json: Value = serde_json::from_str(text).map_err(|it| format!("{name}: {it}"))?;
    for field in ["archMap", "architectures"] {
        json.as_object_mut().map(|it| it.remove(field));
    }
    let native = serde_json::to_string_pretty(&json).map_err(|it| it.to_string())?;
    let case = |scope, text| Case { name: name.to_owned(), scope, source: Source::Text(text) };
    Ok([case(Scope::Three, text.to_owned()), case(Scope::Native, native)])
}

/// The architectures of a list, for a machine of x86_64, without the machine's own.
pub(super) fn others(list: &ArchitectureList) -> Vec<Listed> {
    let native = Listed::Known(stockade_abi::Architecture::X86_64);
    let listed = match list {
        ArchitectureList::Native => Vec::new(),
        ArchitectureList::Listed(listed) => listed.clone(),
        ArchitectureList::Map(map) => map
            .iter()
            .find(|(key, _)| *key == native)
            .map_or_else(Vec::new, |(_, below)| below.clone()),
    };
    listed.into_iter().filter(|it| *it != native).collect()
}

/// Debian: `golang-github-containers-common`.
const PODMAN: &str = "/usr/share/containers/seccomp.json";
