//! What a `config.json` must satisfy beyond its types.
//!
//! | rule | |
//! |---|---|
//! | `ociVersion` is a SemVer of major version 1 | unknown majors may mean anything |
//! | `root` is there, its path is not empty | |
//! | `process.cwd` is absolute, `process.args` has a first element | |
//! | no namespace twice; paths to join are absolute | joining and creating cannot both be meant |
//! | no limit of `process.rlimits` twice, none with soft above hard | |
//! | hooks have absolute paths and positive timeouts | |
//! | ids are not 4294967295, which the kernel reads as "leave unchanged" | |
//!
//! Source: the specification's words MUST.

use std::collections::HashSet;

use super::{Bundle, Hook, Hooks, Process};
use crate::manifest_error::{ManifestError, ManifestErrorKind};
use crate::place::{FieldPath, Place};

/// Tells where a field is written.
type Locate<'a> = &'a dyn Fn(&FieldPath) -> Place;

pub(super) fn bundle(bundle: &Bundle) -> Vec<ManifestError> {
    let place = |path: &FieldPath| bundle.place(path);
    let config = &bundle.config;
    let mut sheet = Sheet { place: &place, found: Vec::new() };
    check_version(&mut sheet, &config.oci_version);
    match &config.root {
        None => sheet.required("root".into()),
        Some(root) if root.path.is_empty() => sheet.required("root.path".into()),
        Some(_) => {}
    }
    if let Some(process) = &config.process {
        check_process(&mut sheet, process, &"process".into());
    }
    if let Some(hooks) = &config.hooks {
        check_hooks(&mut sheet, hooks);
    }
    for (index, mount) in config.mounts.iter().enumerate() {
        if mount.destination.is_empty() {
            sheet.required(FieldPath::from("mounts").index(index).child("destination"));
        }
    }
    check_namespaces(&mut sheet, bundle);
    sheet.found
}

pub(super) fn process(
    process: &Process,
    path: &FieldPath,
    place: Locate<'_>,
) -> Vec<ManifestError> {
    let mut sheet = Sheet { place, found: Vec::new() };
    check_process(&mut sheet, process, path);
    sheet.found
}

struct Sheet<'a> {
    place: Locate<'a>,
    found: Vec<ManifestError>,
}

impl Sheet<'_> {
    fn add(&mut self, path: &FieldPath, kind: ManifestErrorKind) {
        self.found.push(ManifestError::error((self.place)(path), kind));
    }

    fn bad(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.add(path, ManifestErrorKind::BadValue(message.into()));
    }

    fn required(&mut self, path: FieldPath) {
        self.add(&path, ManifestErrorKind::Required { detail: String::new() });
    }

    fn absolute(&mut self, path: &FieldPath, value: &str) {
        if !value.starts_with('/') {
            self.bad(path, format!("{value:?} is not an absolute path"));
        }
    }
}

fn check_version(sheet: &mut Sheet<'_>, version: &str) {
    let path = FieldPath::from("ociVersion");
    match major(version) {
        None => sheet.bad(&path, format!("{version:?} is not a version (like 1.2.0)")),
        Some(1) => {}
        Some(_) => {
            sheet.bad(&path, format!("version {version} is not supported, only 1.x is"));
        }
    }
}

/// The major number of a SemVer.
fn major(version: &str) -> Option<u64> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (*part == "0" || !part.starts_with('0'))
    };
    let is_version = numbers.len() == 3 && numbers.iter().all(is_number);
    if is_version { numbers.first()?.parse().ok() } else { None }
}

fn check_process(sheet: &mut Sheet<'_>, process: &Process, path: &FieldPath) {
    sheet.absolute(&path.child("cwd"), &process.cwd);
    if process.args.first().is_none_or(String::is_empty) {
        sheet.required(path.child("args"));
    }
    let user = path.child("user");
    check_id(sheet, &user.child("uid"), process.user.uid);
    check_id(sheet, &user.child("gid"), process.user.gid);
    for (index, gid) in process.user.additional_gids.iter().enumerate() {
        check_id(sheet, &user.child("additionalGids").index(index), *gid);
    }
    if process.user.umask.is_some_and(|umask| umask > 0o777) {
        sheet.bad(&user.child("umask"), "a umask has nine bits (0 to 511)");
    }
    if process.oom_score_adj.is_some_and(|score| !(-1000..=1000).contains(&score)) {
        sheet.bad(&path.child("oomScoreAdj"), "expected a number from -1000 to 1000");
    }
    let mut kinds = HashSet::new();
    for (index, limit) in process.rlimits.iter().enumerate() {
        let path = path.child("rlimits").index(index);
        if !kinds.insert(limit.kind.as_str()) {
            let value = limit.kind.clone();
            sheet.add(&path.child("type"), ManifestErrorKind::Duplicate { value });
        }
        if limit.soft > limit.hard {
            sheet.bad(&path.child("soft"), "a soft limit cannot be above the hard one");
        }
    }
}

fn check_id(sheet: &mut Sheet<'_>, path: &FieldPath, id: u32) {
    if id == u32::MAX {
        sheet.bad(path, "4294967295 is not an id: to the kernel it means no change");
    }
}

fn check_hooks(sheet: &mut Sheet<'_>, hooks: &Hooks) {
    let Hooks { prestart, create_runtime, create_container, start_container, poststart, poststop } =
        hooks;
    let lists: [(&str, &[Hook]); 6] = [
        ("prestart", prestart),
        ("createRuntime", create_runtime),
        ("createContainer", create_container),
        ("startContainer", start_container),
        ("poststart", poststart),
        ("poststop", poststop),
    ];
    for (name, list) in lists {
        for (index, hook) in list.iter().enumerate() {
            let path = FieldPath::from("hooks").child(name).index(index);
            sheet.absolute(&path.child("path"), &hook.path);
            if hook.timeout.is_some_and(|seconds| seconds <= 0) {
                sheet.bad(&path.child("timeout"), "a timeout is at least one second");
            }
        }
    }
}

fn check_namespaces(sheet: &mut Sheet<'_>, bundle: &Bundle) {
    let Some(linux) = &bundle.config.linux else { return };
    let mut kinds = HashSet::new();
    for (index, namespace) in linux.namespaces.iter().enumerate() {
        let path = FieldPath::from("linux.namespaces").index(index);
        if !kinds.insert(namespace.kind) {
            let value = format!("{:?}", namespace.kind).to_lowercase();
            sheet.add(&path.child("type"), ManifestErrorKind::Duplicate { value });
        }
        if let Some(target) = namespace.path.as_deref().filter(|target| !target.is_empty()) {
            sheet.absolute(&path.child("path"), target);
        }
    }
}
