//! The files of a volume that is written once.
//!
//! | said | file |
//! |---|---|
//! | no `items` | each key, under its name |
//! | `items` | the keys that are named, each under its `path`; one that is not there is refused, unless the source is optional |
//! | `mode`, else `defaultMode`, else 0644 | its permissions |
//!
//! Tokens, trust bundles and certificates come from a cluster and are refused by name. Wording: the
//! kubelet's.

use std::collections::BTreeMap;

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{Content, DataKind, FieldPath};

use super::Desk;
use crate::downward;
use crate::objects::{Optional, entries};
use crate::volume::VolumeFile;

/// Files by their paths; a later source goes before an earlier one.
type Files = BTreeMap<String, (Content, u32)>;

/// Keys of an object and where they go.
struct Keys<'a> {
    kind: DataKind,
    /// The field that names the object.
    named_by: &'static str,
    name: &'a str,
    items: Option<&'a Vec<k8s::KeyToPath>>,
    optional: Optional,
    mode: u32,
}

impl Desk<'_, '_> {
    /// `None` if something of it was refused.
    pub(super) fn files(
        &mut self,
        at: &FieldPath,
        volume: &k8s::Volume,
    ) -> Option<Vec<VolumeFile>> {
        let before = self.findings.refusals.len();
        let mut files = Files::new();
        if let Some(it) = &volume.config_map {
            let k8s::ConfigMapVolumeSource { default_mode, default_user, items, name, optional } =
                it;
            let at = at.child("configMap");
            self.not_enforced(&at.child("defaultUser"), default_user.is_some(), "defaultUser");
            let mode = self.mode(&at.child("defaultMode"), *default_mode, DEFAULT);
            let (items, optional) = (items.as_ref(), Optional::of(*optional));
            let (kind, named_by) = (DataKind::ConfigMap, "name");
            self.keys(&at, &Keys { kind, named_by, name, items, optional, mode }, &mut files);
        }
        if let Some(it) = &volume.secret {
            let k8s::SecretVolumeSource {
                default_mode,
                default_user,
                items,
                optional,
                secret_name,
            } = it;
            let at = at.child("secret");
            self.not_enforced(&at.child("defaultUser"), default_user.is_some(), "defaultUser");
            let mode = self.mode(&at.child("defaultMode"), *default_mode, DEFAULT);
            let (items, optional) = (items.as_ref(), Optional::of(*optional));
            let name = secret_name.as_deref().unwrap_or_default();
            let (kind, named_by) = (DataKind::Secret, "secretName");
            self.keys(&at, &Keys { kind, named_by, name, items, optional, mode }, &mut files);
        }
        if let Some(it) = &volume.downward_api {
            let k8s::DownwardAPIVolumeSource { default_mode, default_user, items } = it;
            let at = at.child("downwardAPI");
            self.not_enforced(&at.child("defaultUser"), default_user.is_some(), "defaultUser");
            let mode = self.mode(&at.child("defaultMode"), *default_mode, DEFAULT);
            self.downward(&at, items.as_ref(), mode, &mut files);
        }
        if let Some(it) = &volume.projected {
            let k8s::ProjectedVolumeSource { default_mode, default_user, sources } = it;
            let at = at.child("projected");
            self.not_enforced(&at.child("defaultUser"), default_user.is_some(), "defaultUser");
            let mode = self.mode(&at.child("defaultMode"), *default_mode, DEFAULT);
            for (index, source) in sources.iter().flatten().enumerate() {
                self.projection(&at.child("sources").index(index), source, mode, &mut files);
            }
        }
        let file = |(path, (content, mode))| VolumeFile { path, content, mode };
        let is_sound = self.findings.refusals.len() == before;
        is_sound.then(|| files.into_iter().map(file).collect())
    }

    fn projection(
        &mut self,
        at: &FieldPath,
        source: &k8s::VolumeProjection,
        mode: u32,
        files: &mut Files,
    ) {
        let k8s::VolumeProjection {
            cluster_trust_bundle,
            config_map,
            downward_api,
            pod_certificate,
            secret,
            service_account_token,
        } = source;
        for (name, is_set) in [
            ("clusterTrustBundle", cluster_trust_bundle.is_some()),
            ("podCertificate", pod_certificate.is_some()),
            ("serviceAccountToken", service_account_token.is_some()),
        ] {
            self.not_enforced(&at.child(name), is_set, name);
        }
        if let Some(k8s::ConfigMapProjection { items, name, optional }) = config_map {
            let (items, optional) = (items.as_ref(), Optional::of(*optional));
            let (kind, named_by) = (DataKind::ConfigMap, "name");
            let keys = Keys { kind, named_by, name, items, optional, mode };
            self.keys(&at.child("configMap"), &keys, files);
        }
        if let Some(k8s::SecretProjection { items, name, optional }) = secret {
            let (items, optional) = (items.as_ref(), Optional::of(*optional));
            let (kind, named_by) = (DataKind::Secret, "name");
            let keys = Keys { kind, named_by, name, items, optional, mode };
            self.keys(&at.child("secret"), &keys, files);
        }
        if let Some(k8s::DownwardAPIProjection { items }) = downward_api {
            self.downward(&at.child("downwardAPI"), items.as_ref(), mode, files);
        }
    }

    fn keys(&mut self, at: &FieldPath, keys: &Keys<'_>, files: &mut Files) {
        let Keys { kind, named_by, name, items, optional, mode } = keys;
        let entries = match entries(self.world, *kind, name, *optional) {
            Ok(Some(entries)) => entries,
            Ok(None) => return,
            Err(absent) => {
                return absent.refuse(self.pod.place(&at.child(named_by)), self.findings);
            }
        };
        let Some(items) = items.filter(|it| !it.is_empty()) else {
            for (key, content) in entries {
                if self.is_path(at, key) {
                    files.insert(key.clone(), (content.clone(), *mode));
                }
            }
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let at = at.child("items").index(index);
            let k8s::KeyToPath { key, mode: own, path, user } = item;
            self.not_enforced(&at.child("user"), user.is_some(), "user");
            let mode = self.mode(&at.child("mode"), *own, *mode);
            match entries.get(key) {
                Some(content) if self.is_path(&at.child("path"), path) => {
                    files.insert(path.clone(), (content.clone(), mode));
                }
                None if *optional == Optional::No => {
                    let what = match kind {
                        DataKind::ConfigMap => "config",
                        DataKind::Secret => "secret",
                    };
                    let why = format!("references non-existent {what} key: {key}");
                    self.refuse(&at.child("key"), &why);
                }
                Some(_) | None => {}
            }
        }
    }

    fn downward(
        &mut self,
        at: &FieldPath,
        items: Option<&Vec<k8s::DownwardAPIVolumeFile>>,
        mode: u32,
        files: &mut Files,
    ) {
        for (index, item) in items.into_iter().flatten().enumerate() {
            let at = at.child("items").index(index);
            let k8s::DownwardAPIVolumeFile { field_ref, mode: own, path, resource_field_ref, user } =
                item;
            self.not_enforced(&at.child("user"), user.is_some(), "user");
            let mode = self.mode(&at.child("mode"), *own, mode);
            let (value, field) = match (field_ref, resource_field_ref) {
                (Some(it), None) => (
                    downward::field_of_file(self.pod, self.world, &it.field_path),
                    "fieldRef.fieldPath",
                ),
                (None, Some(it)) => (downward::resource(self.spec, None, it), "resourceFieldRef"),
                (Some(_), Some(_)) | (None, None) => {
                    self.refuse(&at, "a file shows exactly one of a field and a resource");
                    continue;
                }
            };
            match value {
                Ok(text) if self.is_path(&at.child("path"), path) => {
                    files.insert(path.clone(), (Content::Text(text), mode));
                }
                Ok(_) => {}
                Err(why) => self.refuse(&at.child(field), &why),
            }
        }
    }

    /// Refuses what would lead out of the volume.
    fn is_path(&mut self, at: &FieldPath, path: &str) -> bool {
        let names = || path.split('/');
        let why = if path.is_empty() {
            "is no path"
        } else if path.starts_with('/') || path.contains('\0') {
            "must be a relative path"
        } else if names().any(|it| it == "..") {
            "must not contain '..'"
        } else if path.starts_with("..") {
            "must not start with '..'"
        } else if names().any(|it| it.is_empty() || it == ".") {
            "must have a name between its slashes"
        } else {
            return true;
        };
        self.refuse(at, &format!("{path:?} {why}"));
        false
    }

    fn mode(&mut self, at: &FieldPath, mode: Option<i32>, default: u32) -> u32 {
        match mode.map(u32::try_from) {
            None => default,
            Some(Ok(mode)) if mode <= 0o777 => mode,
            Some(_) => {
                self.refuse(at, "must be a number between 0 and 0777 (octal), both inclusive");
                default
            }
        }
    }
}

/// The API's own default.
const DEFAULT: u32 = 0o644;
