//! Mounts of a bundle.

use stockade_spec::bundle as oci;

use super::options::{self, BadOption, Options};
use super::{Desk, words};
use crate::Origin;
use crate::plan::Propagation;
use crate::workload::{Mount, MountSource, Recursion};

pub(super) fn read(desk: &mut Desk<'_>) -> Vec<(Mount, Origin)> {
    let mounts = &desk.bundle.config.mounts;
    let mut all = Vec::with_capacity(mounts.len());
    for (index, mount) in mounts.iter().enumerate() {
        let path = format!("mounts[{index}]");
        let origin = desk.origin(&path);
        all.extend(one(desk, mount, &path).map(|mount| (mount, origin)));
    }
    all
}

/// Whether the container sees a directory of the host as its `/dev`.
pub(super) fn binds_dev(desk: &Desk<'_>) -> bool {
    let mounts = desk.bundle.config.mounts.iter();
    mounts.filter(|it| is_bind(it)).any(|it| words(&it.destination) == ["dev"])
}

fn is_bind(mount: &oci::Mount) -> bool {
    mount.kind.as_deref() == Some("bind")
        || mount.options.iter().any(|it| it == "bind" || it == "rbind")
}

/// `None` only after a refusal.
fn one(desk: &mut Desk<'_>, mount: &oci::Mount, path: &str) -> Option<Mount> {
    let oci::Mount { destination, kind, source, options, uid_mappings, gid_mappings } = mount;
    if !uid_mappings.is_empty() || !gid_mappings.is_empty() {
        desk.unenforced(path, "id-mapped mounts are not made by this build");
    }
    if !destination.starts_with('/') {
        desk.wrong(&format!("{path}.destination"), "is not an absolute path");
    } else if words(destination).is_empty() {
        desk.wrong(&format!("{path}.destination"), "is the root itself, which `root` speaks of");
    }
    let kind = kind.as_deref().filter(|_| !is_bind(mount));
    let understood = read_options(desk, options, kind, path);
    let Options { flags, bind, propagation, data } = understood;

    let source = match kind {
        None if !is_bind(mount) => {
            desk.wrong(path, "neither a `type` nor the option `bind`");
            return None;
        }
        None => bound(desk, source.as_deref(), bind.unwrap_or(Recursion::One), path)?,
        Some("cgroup" | "cgroup2") => MountSource::Cgroups,
        Some("") => {
            desk.wrong(&format!("{path}.type"), "is empty");
            return None;
        }
        Some(kind) => MountSource::New {
            kind: kind.to_owned(),
            name: source.as_deref().filter(|it| !it.is_empty()).unwrap_or(kind).to_owned(),
            options: data,
        },
    };
    let propagation = propagation.map(|(how, reach)| {
        refuse_partial(desk, how, reach, &source, path);
        how
    });
    Some(Mount { target: destination.clone(), source, flags, propagation })
}

fn bound(
    desk: &mut Desk<'_>,
    source: Option<&str>,
    recursion: Recursion,
    path: &str,
) -> Option<MountSource> {
    let Some(source) = source.filter(|it| !it.is_empty()) else {
        desk.wrong(path, "a bind mount needs a `source`");
        return None;
    };
    Some(MountSource::Bind { path: desk.host_path(source), recursion })
}

/// Events of a whole tree travel alike here. That is less than was asked for only where they would
/// travel for one mount and not for those below it.
fn refuse_partial(
    desk: &mut Desk<'_>,
    how: Propagation,
    reach: Recursion,
    source: &MountSource,
    path: &str,
) {
    let is_tree = matches!(source, MountSource::Bind { recursion: Recursion::All, .. });
    let word = match how {
        Propagation::Private => return,
        Propagation::Slave => "slave",
        Propagation::Shared => "shared",
    };
    if is_tree && reach == Recursion::One {
        let why = format!("`rbind` with `{word}` is not offered by this build; write `r{word}`");
        desk.unenforced(&format!("{path}.options"), why);
    }
}

fn read_options(
    desk: &mut Desk<'_>,
    options: &[String],
    kind: Option<&str>,
    path: &str,
) -> Options {
    let mut all = Options::default();
    for (place, option) in options.iter().enumerate() {
        let path = format!("{path}.options[{place}]");
        match options::read(&mut all, option, kind) {
            Ok(()) => {}
            Err(BadOption::Unknown) => match kind {
                None => desk.wrong(&path, format!("`{option}` is no option of a bind mount")),
                Some(kind) => desk.wrong(&path, format!("`{option}` is no option of {kind}")),
            },
            Err(BadOption::NotDone(what)) => {
                desk.unenforced(&path, format!("`{option}` ({what}) is not done by this build"));
            }
        }
    }
    all
}
