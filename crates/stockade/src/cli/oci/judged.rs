//! From a bundle's directory to what can be carried out and proven.

use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use stockade_abi::Host;
use stockade_confine::plan::{Plan, Terminal};
use stockade_confine::{Bundled, from_bundle, plan};
use stockade_runtime::bundle::{ContainerId, Making};
use stockade_runtime::cgroup::CgroupPath;
use stockade_runtime::{Join, Streams};
use stockade_spec::ManifestError;
use stockade_spec::bundle::{Bundle, parse};

use crate::answer::{Answer, Failure};
use crate::world::bare_node;

/// What a bundle says, word for word.
#[derive(Debug)]
pub(super) struct Said {
    /// Its directory.
    pub(super) directory: PathBuf,
    /// Its configuration, read once: what was judged is what is done.
    pub(super) config: String,
}

/// A bundle that was judged on this machine.
#[derive(Debug)]
pub(super) struct Judged {
    said: Said,
    bundle: Bundle,
    /// What this machine can do.
    pub(super) host: Host,
    /// What is meant.
    pub(super) bundled: Bundled,
}

impl Said {
    /// Reads the bundle in `directory`.
    pub(super) fn read(directory: &Path) -> Result<Self, Failure> {
        let absolute = std::path::absolute(directory)
            .map_err(|error| Failure::question(format!("{}: {error}", directory.display())))?;
        let path = absolute.join("config.json");
        let failed = |why: String| Failure::question(format!("{}: {why}", path.display()));
        let file = fs::File::open(&path).map_err(|it| failed(it.to_string()))?;
        let expected = file.metadata().map_err(|it| failed(it.to_string()))?.len();
        let expected = usize::try_from(expected.min(MAX_CONFIG)).unwrap_or_default();
        // One more, so that its end is seen without growing.
        let mut config = String::with_capacity(expected + 1);
        let length = file
            .take(MAX_CONFIG + 1)
            .read_to_string(&mut config)
            .map_err(|it| failed(it.to_string()))?;
        if u64::try_from(length).unwrap_or(u64::MAX) > MAX_CONFIG {
            return Err(failed(format!("longer than {MAX_CONFIG} bytes")));
        }
        Ok(Self { directory: absolute, config })
    }

    /// Says what it amounts to on this machine.
    pub(super) fn judge(self) -> Result<Judged, Failure> {
        let file = self.directory.join("config.json");
        let bundle = parse(&file.to_string_lossy(), &self.config).map_err(|all| {
            let told = |it: &ManifestError| format!("{}: {}", it.place, it.kind);
            list(&all.iter().map(told).collect::<Vec<_>>())
        })?;
        let host = stockade_observe::host().map_err(Failure::unanswered)?;
        let directory = self.directory.to_str().ok_or_else(|| {
            Failure::question(format!("{} is not UTF-8", self.directory.display()))
        })?;
        let bundled =
            from_bundle(&bundle, directory, &bare_node(&host)?).map_err(|all| list(&all))?;
        Ok(Judged { said: self, bundle, host, bundled })
    }
}

impl Judged {
    /// The steps.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let Bundled { container, pod, .. } = &self.bundled;
        if container.workload.terminal == Terminal::New {
            let what = "`process.terminal` is not supported: there is nowhere to send it to";
            return Err(Failure::new(Answer::No, what));
        }
        plan(container, pod, &self.host).map_err(|all| list(&all))
    }

    /// What is to be made.
    pub(super) fn making<'a>(
        &'a self,
        id: &ContainerId,
        plan: &'a Plan,
    ) -> Result<Making<'a>, Failure> {
        Ok(Making {
            id: id.clone(),
            bundle: self.said.directory.clone(),
            config: &self.said.config,
            annotations: self.bundle.config.annotations.clone(),
            plan,
            cgroup: self.cgroup(id)?,
            join: self.join()?,
            streams: Streams::Inherited,
        })
    }

    fn cgroup(&self, id: &ContainerId) -> Result<CgroupPath, Failure> {
        let path = match &self.bundled.cgroup {
            Some(said) => said.value.clone(),
            // The one character of names that cgroups' lack becomes one that names lack.
            None => format!("stockade/oci-{}", id.as_str().replace('+', "@")),
        };
        path.parse().map_err(|error| Failure::new(Answer::No, error))
    }

    fn join(&self) -> Result<Join, Failure> {
        let mut all = Vec::with_capacity(self.bundled.joins.len());
        for (kind, path) in &self.bundled.joins {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened: OwnedFd =
                openat(CWD, path.value.as_str(), flags, Mode::empty()).map_err(|errno| {
                    let why = std::io::Error::from(errno);
                    Failure::new(Answer::No, format!("{}: {}: {why}", path.origin, path.value))
                })?;
            all.push((*kind, opened));
        }
        Ok(if all.is_empty() { Join::Nothing } else { Join::Each(all) })
    }
}

/// Everything that stands in the way, a line each.
fn list(all: &[impl ToString]) -> Failure {
    let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
    Failure::new(Answer::No, lines.join("\n"))
}

/// No container needs a longer one.
const MAX_CONFIG: u64 = 16 << 20;
