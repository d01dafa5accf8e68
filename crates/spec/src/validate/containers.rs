//! The lists of containers, and what their names refer to.
//!
//! | rule | |
//! |---|---|
//! | there is a `spec` with at least one container | Required |
//! | each container has a name (a DNS label) and an image | Required, Invalid |
//! | no two containers of a pod have one name | Duplicate |
//! | ephemeral containers come later, never with the pod | Forbidden |
//! | `restartPolicy` is a word of its vocabulary | NotSupported |
//! | volumes have names of their own, and mounts name a volume | Duplicate, NotFound |

use std::collections::HashSet;

use super::names::label_faults;
use super::report::Report;
use crate::manifest::{Container, ContainerList};
use crate::manifest_error::ManifestErrorKind;
use crate::place::FieldPath;

pub(super) fn check(report: &mut Report<'_>) {
    let path = FieldPath::from("spec");
    let Some(spec) = report.spec() else {
        report.required(&path, "");
        report.required(&path.child("containers"), "");
        return;
    };
    let volumes = check_volumes(report);
    if spec.containers.is_empty() {
        report.required(&path.child("containers"), "");
    }
    let mut names: HashSet<&str> = HashSet::new();
    // The API sees regular containers first: of an init container and a
    // container with one name, the init container is the duplicate.
    let mut containers: Vec<Container<'_>> = report.pod.containers().collect();
    containers.sort_by_key(|it| match it.list {
        ContainerList::Regular => 0,
        ContainerList::Init => 1,
        ContainerList::Ephemeral => 2,
    });
    for container in &containers {
        check_container(report, container);
        if !container.name.is_empty() && !names.insert(container.name) {
            report.duplicate(&container.path.child("name"), container.name);
        }
        check_mounts(report, container, &volumes);
    }
    if spec.ephemeral_containers.as_ref().is_some_and(|list| !list.is_empty()) {
        report.forbidden(&path.child("ephemeralContainers"), "cannot be set on create");
    }
    let policy = spec.restart_policy.as_deref().filter(|it| !it.is_empty());
    report.one_of(&path.child("restartPolicy"), policy, &["Always", "OnFailure", "Never"]);
}

fn check_container(report: &mut Report<'_>, container: &Container<'_>) {
    let path = container.path.child("name");
    if container.name.is_empty() {
        report.required(&path, "");
    } else {
        for fault in label_faults(container.name) {
            report.invalid(&path, container.name, fault);
        }
    }
    let path = container.path.child("image");
    match container.image.unwrap_or_default() {
        "" => report.required(&path, ""),
        image if image.trim() != image => {
            report.invalid(&path, image, "must not have leading or trailing whitespace");
        }
        _ => {}
    }
}

fn check_volumes<'a>(report: &mut Report<'a>) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    let volumes = report.spec().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    for (index, volume) in volumes.iter().enumerate() {
        let path = FieldPath::from("spec.volumes").index(index).child("name");
        let name = volume.name.as_str();
        if name.is_empty() {
            report.required(&path, "");
            continue;
        }
        for fault in label_faults(name) {
            report.invalid(&path, name, fault);
        }
        if !names.insert(name) {
            report.duplicate(&path, name);
        }
    }
    names
}

fn check_mounts(report: &mut Report<'_>, container: &Container<'_>, volumes: &HashSet<&str>) {
    let mut paths = HashSet::new();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let path = container.path.child("volumeMounts").index(index);
        if mount.name.is_empty() {
            report.required(&path.child("name"), "");
        } else if !volumes.contains(mount.name.as_str()) {
            let kind = ManifestErrorKind::NotFound { value: mount.name.clone() };
            report.add(&path.child("name"), kind);
        }
        if mount.mount_path.is_empty() {
            report.required(&path.child("mountPath"), "");
        } else if !paths.insert(mount.mount_path.as_str()) {
            report.invalid(&path.child("mountPath"), &mount.mount_path, "must be unique");
        }
    }
}
