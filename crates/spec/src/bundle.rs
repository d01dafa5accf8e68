//! An OCI bundle's `config.json`: the second front door.
//!
//! Read strictly: a field that we do not know is an error with its name, since
//! a caller who asks for confinement must not get less of it in silence. (The
//! specification lets runtimes ignore such fields.) Only `annotations` takes
//! any key. Names of capabilities, syscalls and mount options stay as written;
//! who uses them judges them.
//!
//! It does not know what a bundle amounts to (`stockade-confine`), nor the
//! language of seccomp profiles: the inside of `linux.seccomp` is not even read
//! here, but given on as it is written ([`Bundle::written`]) to whoever reads
//! that language strictly (`stockade-seccomp`).
//!
//! Source: OCI runtime specification 1.2, and of 1.3 `netDevices` and
//! `memoryPolicy`.

mod check;
mod linux;
mod process;
mod resources;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use linux::{
    Device, DeviceKind, IdMapping, IntelRdt, Linux, MemoryPolicy, MemoryPolicyMode, Namespace,
    NamespaceKind, NetDevice, Personality, PersonalityDomain, Propagation, TimeOffset, Unread,
};
pub use process::{
    Capabilities, ConsoleSize, CpuAffinity, IoClass, IoPriority, Process, Rlimit, Scheduler,
    SchedulerPolicy, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma,
    Resources, ThrottleDevice, WeightDevice,
};

use crate::decode::{Decoded, Strictness, decode};
use crate::manifest_error::{ManifestError, ManifestErrorKind};
use crate::place::{FieldPath, Place, Position};
use crate::source::{Bytes, Source};
use crate::tree::{Node, Whole, read_json};

/// A bundle's configuration and where each of its fields is written.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What is said.
    pub config: Config,
    source: Arc<Source>,
    root: Arc<Node>,
}

/// `config.json`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The version of the specification by which the file was written.
    pub oci_version: String,
    /// The root filesystem.
    pub root: Option<Root>,
    /// What runs. Needed from `start` on.
    pub process: Option<Process>,
    /// The name of the host inside.
    pub hostname: Option<String>,
    /// The NIS domain inside.
    pub domainname: Option<String>,
    /// Mounts in addition to the root, in order.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Programs that run at points of the container's life.
    pub hooks: Option<Hooks>,
    /// Anything the caller wants to remember.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What only Linux has.
    pub linux: Option<Linux>,
}

/// `root`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Root {
    /// The directory, absolute or relative to the bundle.
    pub path: String,
    /// Whether it is mounted read-only.
    pub readonly: Option<bool>,
}

/// An element of `mounts`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where it is mounted inside.
    pub destination: String,
    /// The filesystem's type, not needed for bind mounts.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// A device, a directory, or a name without meaning.
    pub source: Option<String>,
    /// Options, for the kernel and for the filesystem mixed.
    #[serde(default)]
    pub options: Vec<String>,
    /// User ids of an id-mapped mount.
    #[serde(default)]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of an id-mapped mount.
    #[serde(default)]
    pub gid_mappings: Vec<IdMapping>,
}

/// `hooks`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Hooks {
    /// Deprecated; runs with `create_runtime`.
    pub prestart: Vec<Hook>,
    /// Run in the runtime's namespaces before the root is changed.
    pub create_runtime: Vec<Hook>,
    /// Run in the container's namespaces before the root is changed.
    pub create_container: Vec<Hook>,
    /// Run in the container before its program.
    pub start_container: Vec<Hook>,
    /// Run in the runtime's namespaces after the program started.
    pub poststart: Vec<Hook>,
    /// Run in the runtime's namespaces after the container is gone.
    pub poststop: Vec<Hook>,
}

/// A program that is run at some point.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Hook {
    /// The program, absolute.
    pub path: String,
    /// Its arguments, its own name first.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub env: Vec<String>,
    /// Seconds after which it is killed.
    pub timeout: Option<i64>,
}

impl Bundle {
    /// Where the value at `path` (`linux.seccomp`) is written, or the nearest
    /// thing around it that is.
    pub fn place(&self, path: &FieldPath) -> Place {
        let found = self.root.find(path.as_str());
        self.source.place(path.clone(), found.node.bytes)
    }

    /// What is written at `path`, as it stands in the file. `None` if nothing is.
    pub fn written(&self, path: &FieldPath) -> Option<&str> {
        let found = self.root.find(path.as_str());
        (found.whole == Whole::Exact).then(|| self.source.written(found.node.bytes))
    }

    /// Where something called `path` is, given its `position` in what [`Bundle::written`] gives for
    /// `outer`.
    pub fn place_within(&self, outer: &FieldPath, position: Position, path: FieldPath) -> Place {
        let bytes = self.root.find(outer.as_str()).node.bytes;
        let inner = position_in(self.source.written(bytes), position);
        self.source.place(path, Bytes::at(bytes.start as usize + inner))
    }

    /// Where the key at `path` is written, or the nearest one around it.
    pub fn key_place(&self, path: &FieldPath) -> Place {
        let found = self.root.find(path.as_str());
        self.source.place(path.clone(), found.key_bytes.unwrap_or(found.node.bytes))
    }
}

/// Reads a `config.json`, which the user knows as `file`.
///
/// # Errors
///
/// Every mistake that could be found, in the order of the file. There are no
/// warnings.
pub fn parse(file: &str, text: &str) -> Result<Bundle, Vec<ManifestError>> {
    let source = Arc::new(Source::new(file, text));
    let (config, root) = read::<Config>(&source, &["linux", "seccomp"])?;
    let bundle = Bundle { config, source, root: Arc::new(root) };
    let mistakes = check::bundle(&bundle);
    if mistakes.is_empty() { Ok(bundle) } else { Err(mistakes) }
}

/// Reads a file that holds only a process, as `exec --process` takes it.
///
/// # Errors
///
/// Every mistake that could be found, in the order of the file.
pub fn parse_process(file: &str, text: &str) -> Result<Process, Vec<ManifestError>> {
    let source = Arc::new(Source::new(file, text));
    let (process, root) = read::<Process>(&source, &[])?;
    let place = |path: &FieldPath| source.place(path.clone(), root.find(path.as_str()).node.bytes);
    let mistakes = check::process(&process, &FieldPath::root(), &place);
    if mistakes.is_empty() { Ok(process) } else { Err(mistakes) }
}

fn read<T: DeserializeOwned>(
    source: &Source,
    unread: &'static [&'static str],
) -> Result<(T, Node), Vec<ManifestError>> {
    let document = read_json(source, unread);
    let flaws = document.flaws.into_iter().map(|flaw| {
        let path = document.root.as_ref().map(|root| root.path_at(flaw.bytes.start));
        let place = source.place(path.unwrap_or_else(FieldPath::root), flaw.bytes);
        ManifestError::error(place, flaw.kind)
    });
    let mut mistakes: Vec<ManifestError> = flaws.collect();
    let Some(root) = document.root else { return Err(mistakes) };
    let Decoded { value, findings } = decode::<T>(&root, source, Strictness::Everything);
    mistakes.extend(findings.into_iter().map(name_other_systems));
    mistakes.sort_by(|a, b| a.place.cmp(&b.place));
    match value {
        Some(value) if mistakes.is_empty() => Ok((value, root)),
        _ => Err(mistakes),
    }
}

/// The offset of a position in a text, or of the end of its line.
fn position_in(text: &str, position: Position) -> usize {
    let line = text.split_inclusive('\n').nth(position.line.saturating_sub(1));
    let Some(line) = line else { return text.len() };
    let start = line.as_ptr().addr() - text.as_ptr().addr();
    let skipped = line.char_indices().nth(position.column.saturating_sub(1));
    start + skipped.map_or(line.len(), |(at, _)| at)
}

/// The specification knows these, so they are not unknown but refused.
fn name_other_systems(mistake: ManifestError) -> ManifestError {
    let path = mistake.place.path.as_str();
    if !matches!(path, "windows" | "solaris" | "vm" | "zos") {
        return mistake;
    }
    let detail = "only Linux containers run here".to_owned();
    ManifestError { kind: ManifestErrorKind::Forbidden { detail }, ..mistake }
}

#[cfg(test)]
mod tests;
