//! Volume mounts: which of the pod's volumes a container sees, where, and whether it may write.
//!
//! | | |
//! |---|---|
//! | said | `volumeMounts` of a container: `mountPath`, `readOnly`, `recursiveReadOnly`, `mountPropagation`, `subPath`, `subPathExpr` |
//! | meant | [`VolumeMount`] |
//! | done | a copy of the volume's mount, found by descriptor and below the volume's root, attached in the container |
//! | seen | the mount at that very path in `/proc/<pid>/mountinfo`, which file it is, its file system and access, and what below it can be written |
//!
//! What was written once (`configMap`, `secret`, …) is read-only whatever the mount says, as in a
//! kubelet. `readOnly` is for the mount alone and `recursiveReadOnly` for what is mounted below it,
//! too; `IfPossible` is possible wherever Stockade runs (Linux 5.12). Mounts are made from the
//! shallow to the deep, so that none hides another.

use std::collections::BTreeMap;

use stockade_abi::Reading;
use stockade_abi::facts::{MountAccess, SeenMount};
use stockade_spec::k8s_openapi::api::core::v1 as k8s;

use crate::environment::expand_with;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Propagation, Stage, Step};
use crate::scope::{Findings, Scope};
use crate::volume::VolumeKind;
use crate::volumes::kind_of;
use crate::workload::{Mount, MountFlags, MountSource, Recursion};
use crate::world::NodeUserNamespace;
use crate::{Origin, Reason, Sourced};

/// A volume as one container sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VolumeMount {
    /// Absolute path in the container, without `.`, `..` and repeated slashes.
    pub target: String,
    /// The volume's name.
    pub volume: String,
    /// What the volume is.
    pub kind: VolumeKind,
    /// A path in the volume, relative and without `..`; `None` is all of it.
    pub sub_path: Option<String>,
    /// The file system that it must be; `None` is whatever the host has there.
    pub file_system: Option<String>,
    /// What is read-only: `None` can be written.
    pub read_only: Option<Recursion>,
    /// How mount events travel; `None` is not at all.
    pub propagation: Option<Propagation>,
}

pub(crate) fn resolve(
    scope: &Scope<'_>,
    variables: &[String],
    findings: &mut Findings,
) -> Vec<Sourced<VolumeMount>> {
    let known: BTreeMap<&str, &str> =
        variables.iter().filter_map(|variable| variable.split_once('=')).collect();
    let mut all = Vec::new();
    for (index, mount) in scope.container.volume_mounts.iter().flatten().enumerate() {
        let at = format!("volumeMounts[{index}]");
        let resolved = one(scope, &at, mount, &known, findings);
        let origin = Origin::Declared(scope.field(&format!("{at}.mountPath")));
        all.extend(resolved.map(|it| Sourced::new(it, origin)));
    }
    all.sort_by_key(|it| it.value.target.matches('/').count());
    all
}

fn one(
    scope: &Scope<'_>,
    at: &str,
    mount: &k8s::VolumeMount,
    known: &BTreeMap<&str, &str>,
    findings: &mut Findings,
) -> Option<VolumeMount> {
    let k8s::VolumeMount {
        bind_mount_options,
        mount_path,
        mount_propagation,
        name,
        read_only,
        recursive_read_only,
        sub_path,
        sub_path_expr,
    } = mount;
    let before = findings.refusals.len();
    let place = |field: &str| scope.field(&format!("{at}.{field}"));
    let config = Reason::CreateContainerConfigError;

    if bind_mount_options.as_ref().is_some_and(|it| !it.is_empty()) {
        let why = "`bindMountOptions` are not enforced by this build";
        findings.refuse(Reason::NotEnforced, place("bindMountOptions"), why);
    }
    let target = clean(mount_path);
    match target.as_str() {
        "/" => findings.refuse(config, place("mountPath"), "nothing can be mounted over the root"),
        "/dev" => {
            let why = "this build makes `/dev` itself and mounts nothing over it";
            findings.refuse(Reason::NotEnforced, place("mountPath"), why);
        }
        _ if mount_path.contains(['\0', ':']) => {
            findings.refuse(config, place("mountPath"), "must not contain ':'");
        }
        _ => {}
    }
    let propagation = match mount_propagation.as_deref() {
        None | Some("None") => None,
        Some("HostToContainer") => Some(Propagation::Slave),
        Some("Bidirectional") => {
            let why = "`Bidirectional` is not offered by this build";
            findings.refuse(Reason::NotEnforced, place("mountPropagation"), why);
            None
        }
        Some(other) => {
            let why = format!("there is no propagation {other:?}");
            findings.refuse(config, place("mountPropagation"), why);
            None
        }
    };
    let volume = scope.spec.volumes.iter().flatten().find(|it| it.name == *name)?;
    let kind = kind_of(volume);
    let declared = if *read_only == Some(true) { Some(Recursion::One) } else { None };
    let read_only = match (recursive_read_only.as_deref(), declared) {
        (None | Some("Disabled"), _) if kind.is_written_once() => Some(Recursion::All),
        (None | Some("Disabled"), declared) => declared,
        (Some("Enabled" | "IfPossible"), Some(_)) if propagation.is_none() => Some(Recursion::All),
        (Some("Enabled" | "IfPossible"), _) => {
            let why = "may only be specified when readOnly is true and mountPropagation is None \
                       or not specified";
            findings.refuse(config, place("recursiveReadOnly"), why);
            None
        }
        (Some(other), _) => {
            findings.refuse(config, place("recursiveReadOnly"), format!("there is no {other:?}"));
            None
        }
    };
    let text = |it: &Option<String>| it.clone().filter(|it| !it.is_empty());
    let sub_path = match (text(sub_path), text(sub_path_expr)) {
        (Some(_), Some(_)) => {
            findings.refuse(
                config,
                place("subPathExpr"),
                "subPathExpr and subPath are mutually exclusive",
            );
            None
        }
        (Some(path), None) => relative(path, || place("subPath"), findings),
        (None, Some(expression)) => match expand_with(&expression, known) {
            (path, unknown) if unknown.is_empty() => {
                relative(path, || place("subPathExpr"), findings)
            }
            (_, unknown) => {
                let why = format!("missing value for {:?}", unknown.join(", "));
                findings.refuse(config, place("subPathExpr"), why);
                None
            }
        },
        (None, None) => None,
    };
    let is_sound = findings.refusals.len() == before;
    let has_memory = scope.world.node.user_namespace == NodeUserNamespace::NotNeeded;
    let in_memory = kind == VolumeKind::Memory || (kind.is_written_once() && has_memory);
    is_sound.then_some(VolumeMount {
        target,
        volume: name.clone(),
        kind,
        sub_path,
        file_system: in_memory.then(|| "tmpfs".to_owned()),
        read_only,
        propagation,
    })
}

/// A path that stays below where it begins, as far as its text says; `.` is where it begins.
fn relative(
    path: String,
    place: impl Fn() -> stockade_spec::Place,
    findings: &mut Findings,
) -> Option<String> {
    let why = if path.starts_with('/') || path.contains('\0') {
        "must be a relative path"
    } else if path.split('/').any(|it| it == "..") {
        "must not contain '..'"
    } else if path.is_empty() {
        "must not be empty"
    } else {
        return Some(path);
    };
    findings.refuse(Reason::CreateContainerConfigError, place(), format!("{path:?} {why}"));
    None
}

/// The path from the root, without `.`, `..` and repeated slashes.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

pub(crate) fn plan(mount: &Sourced<VolumeMount>) -> Step {
    let VolumeMount { target, volume, kind: _, sub_path, file_system: _, read_only, propagation } =
        mount.value.clone();
    let mount_action = Mount {
        target,
        source: MountSource::Volume { name: volume, sub_path },
        flags: MountFlags { read_only, ..MountFlags::default() },
        propagation,
    };
    Step::new(Stage::Mounts, Action::Mount(mount_action), mount.origin.clone())
}

pub(crate) fn expect(
    mounts: &[Sourced<VolumeMount>],
) -> BTreeMap<String, Reading<Option<SeenMount>>> {
    let one = |mount: &Sourced<VolumeMount>| {
        let mount = &mount.value;
        let access = match mount.read_only {
            None => MountAccess::ReadWrite,
            Some(Recursion::One | Recursion::All) => MountAccess::ReadOnly,
        };
        let below = |it: &&Sourced<VolumeMount>| {
            let rest = it.value.target.strip_prefix(&mount.target);
            it.value.read_only != Some(Recursion::All) && rest.is_some_and(|it| it.starts_with('/'))
        };
        let writable_below = match mount.read_only {
            Some(Recursion::All) => Reading::Known(
                mounts.iter().filter(below).map(|it| it.value.target.clone()).collect(),
            ),
            Some(Recursion::One) | None => Reading::unreadable("what is mounted below is free"),
        };
        // The volume is made later; whoever makes it fills this in.
        let file = Reading::unreadable("there is none yet");
        let file_system = match &mount.file_system {
            Some(name) => Reading::Known(name.clone()),
            None => Reading::unreadable("whatever the host has there"),
        };
        (
            mount.target.clone(),
            Reading::Known(Some(SeenMount { access, file, file_system, writable_below })),
        )
    };
    mounts.iter().map(one).collect()
}

pub(crate) fn render(mount: &VolumeMount) -> String {
    let access = match mount.read_only {
        None => "writable",
        Some(Recursion::One) => "read-only",
        Some(Recursion::All) => "read-only with all below",
    };
    let path = mount.sub_path.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
    format!("{} {}{path}, {access}", mount.kind.word(), mount.volume)
}

pub(crate) fn compare(
    expected: &BTreeMap<String, Reading<Option<SeenMount>>>,
    seen: &BTreeMap<String, Reading<Option<SeenMount>>>,
) -> Vec<Finding> {
    let unasked = Reading::unreadable("not asked");
    let judge = |(target, meant): (&String, &Reading<Option<SeenMount>>)| {
        let meant = meant.known()?.as_ref()?;
        let seen = seen.get(target).unwrap_or(&unasked);
        let mechanism = Mechanism::Volume(target.clone());
        Some(Finding::of(mechanism, seen, |seen| match seen {
            None => {
                let why = format!("nothing is mounted at {target}");
                ("no mount".to_owned(), Verdict::Weaker(why))
            }
            Some(seen) => (words(seen), verdict(meant, seen)),
        }))
    };
    expected.iter().filter_map(judge).collect()
}

fn words(seen: &SeenMount) -> String {
    let file_system = match &seen.file_system {
        Reading::Known(name) => name.as_str(),
        Reading::Unreadable(_) => "unknown",
    };
    match seen.access {
        MountAccess::ReadOnly => format!("{file_system}, read-only"),
        MountAccess::ReadWrite => format!("{file_system}, writable"),
    }
}

fn verdict(meant: &SeenMount, seen: &SeenMount) -> Verdict {
    if let Reading::Known(wanted) = &meant.file_system {
        match &seen.file_system {
            Reading::Known(found) if found == wanted => {}
            Reading::Known(found) => {
                return Verdict::Weaker(format!("it is {found} and not {wanted}"));
            }
            Reading::Unreadable(why) => return Verdict::Unreadable(why.to_string()),
        }
    }
    if let Reading::Known(wanted) = &meant.file {
        match &seen.file {
            Reading::Known(found) if found == wanted => {}
            Reading::Known(_) => {
                return Verdict::Weaker("it is something else than the volume".to_owned());
            }
            Reading::Unreadable(why) => return Verdict::Unreadable(why.to_string()),
        }
    }
    match (meant.access, seen.access) {
        (MountAccess::ReadOnly, MountAccess::ReadWrite) => {
            return Verdict::Weaker("it can be written".to_owned());
        }
        (MountAccess::ReadWrite, MountAccess::ReadOnly) => {
            return Verdict::Tighter("it is read-only".to_owned());
        }
        (MountAccess::ReadOnly, MountAccess::ReadOnly)
        | (MountAccess::ReadWrite, MountAccess::ReadWrite) => {}
    }
    let Reading::Known(declared) = &meant.writable_below else { return Verdict::Holds };
    match &seen.writable_below {
        Reading::Unreadable(why) => Verdict::Unreadable(why.to_string()),
        Reading::Known(found) => {
            let within = |point: &String, it: &String| {
                point
                    .strip_prefix(it.as_str())
                    .is_some_and(|it| it.is_empty() || it.starts_with('/'))
            };
            let holes: Vec<&str> = (found.iter())
                .filter(|point| !declared.iter().any(|it| within(point, it)))
                .map(String::as_str)
                .collect();
            match holes.as_slice() {
                [] => Verdict::Holds,
                [..] => Verdict::Weaker(format!("{} below it can be written", holes.join(", "))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
