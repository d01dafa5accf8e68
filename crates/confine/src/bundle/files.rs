//! The root file system of a bundle, and the paths in it that are guarded.

use stockade_abi::facts::MountAccess;
use stockade_spec::bundle::Propagation as Said;

use super::{Desk, support::unsaid, words};
use crate::Sourced;
use crate::container::{GuardedPaths, Root};
use crate::plan::{Propagation, RootSource};

pub(super) fn root(desk: &mut Desk<'_>) -> Sourced<Root> {
    let said = desk.bundle.config.root.as_ref();
    let path = desk.host_path(said.map_or("", |it| it.path.as_str()));
    if words(&path).is_empty() {
        desk.wrong("root.path", format!("`{path}` is the host's own root"));
    }
    let access = match said.and_then(|it| it.readonly) {
        Some(true) => MountAccess::ReadOnly,
        Some(false) | None => MountAccess::ReadWrite,
    };
    let propagation = propagation(desk);
    let origin = desk.origin("root");
    Sourced::new(Root { source: RootSource::Directory(path), access, propagation }, origin)
}

fn propagation(desk: &mut Desk<'_>) -> Propagation {
    match desk.linux.rootfs_propagation {
        None | Some(Said::Private | Said::Rprivate) => Propagation::Private,
        Some(Said::Slave | Said::Rslave) => Propagation::Slave,
        Some(Said::Shared | Said::Rshared) => Propagation::Shared,
        Some(Said::Unbindable | Said::Runbindable) => {
            desk.unenforced(
                "linux.rootfsPropagation",
                "an unbindable root is not made by this build",
            );
            Propagation::Private
        }
    }
}

pub(super) fn guarded_paths(desk: &mut Desk<'_>) -> Sourced<GuardedPaths> {
    let (masked, read_only) = (&desk.linux.masked_paths, &desk.linux.readonly_paths);
    for (field, list) in [("maskedPaths", masked), ("readonlyPaths", read_only)] {
        for (index, path) in list.iter().enumerate() {
            if !path.starts_with('/') || words(path).is_empty() {
                let at = format!("linux.{field}[{index}]");
                desk.wrong(&at, format!("{path:?} is not an absolute path below the root"));
            }
        }
    }
    let value = GuardedPaths { masked: masked.clone(), read_only: read_only.clone() };
    if value == GuardedPaths::default() {
        return unsaid(value);
    }
    let origin = if masked.is_empty() { "linux.readonlyPaths" } else { "linux.maskedPaths" };
    Sourced::new(value, desk.origin(origin))
}
