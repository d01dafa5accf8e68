//! AppArmor: each container's annotation and the field in force for it.
//!
//! A field that would only repeat the pod's is not written. What an annotation says wrongly is not
//! copied but warned about.

use k8s_openapi::api::core::v1 as api;

use super::{contexts, text_of};
use crate::validate::ApiVersion;
use crate::validate::apparmor::{KEY, name_faults};

/// Copies; returns the keys of the annotations to warn about.
pub(super) fn sync(pod: &mut api::Pod, version: ApiVersion) -> Vec<String> {
    let mut deprecated = Vec::new();
    let api::Pod { metadata, spec: Some(spec), .. } = pod else { return deprecated };
    let is_windows = spec.os.as_ref().is_some_and(|os| os.name == "windows");
    if version < FIELDS_SINCE || is_windows {
        return deprecated;
    }
    let shared = spec.security_context.as_ref().and_then(|it| it.app_armor_profile.clone());
    for (name, context) in contexts(spec) {
        let key = format!("{KEY}{name}");
        let own = context.as_ref().and_then(|it| it.app_armor_profile.as_ref());
        let annotation = metadata.annotations.as_ref().and_then(|it| it.get(&key));
        match (annotation, own) {
            (None, own) => {
                let field = own.or(shared.as_ref());
                let text = field.and_then(|it| text_of(&it.type_, it.localhost_profile.as_deref()));
                if let Some(text) = text.filter(|_| version < NO_ANNOTATIONS_SINCE) {
                    metadata.annotations.get_or_insert_default().insert(key, text);
                }
            }
            (Some(_), Some(_)) => {}
            (Some(text), None) => match field_of(text, version) {
                field @ Some(_) if field == shared => {}
                None => deprecated.push(key),
                field @ Some(_) => {
                    context.get_or_insert_default().app_armor_profile = field;
                    deprecated.push(key);
                }
            },
        }
    }
    deprecated
}

fn field_of(text: &str, version: ApiVersion) -> Option<api::AppArmorProfile> {
    let (kind, name) = match text {
        "unconfined" => ("Unconfined", None),
        "runtime/default" => ("RuntimeDefault", None),
        other => {
            let name = other.strip_prefix("localhost/")?;
            if !name_faults(name, version).is_empty() {
                return None;
            }
            ("Localhost", Some(name.to_owned()))
        }
    };
    Some(api::AppArmorProfile { type_: kind.to_owned(), localhost_profile: name })
}

const FIELDS_SINCE: ApiVersion = ApiVersion(30);
const NO_ANNOTATIONS_SINCE: ApiVersion = ApiVersion(34);
