//! seccomp: the pod's annotation and its field, and each container's two.

use k8s_openapi::api::core::v1 as api;

use super::{Annotations, contexts, text_of};
use crate::validate::ApiVersion;
use crate::validate::seccomp::{CONTAINER, POD};

pub(super) fn sync(pod: &mut api::Pod, version: ApiVersion) {
    let copies = match version.0 {
        19..=24 => Copies::BothWays,
        25..=26 => Copies::ToFields,
        _ => return,
    };
    let api::Pod { metadata, spec: Some(spec), .. } = pod else { return };
    let annotations = &mut metadata.annotations;

    let field = spec.security_context.as_ref().and_then(|it| it.seccomp_profile.as_ref());
    if let Some(profile) = copied(annotations, POD, field, copies) {
        spec.security_context.get_or_insert_default().seccomp_profile = Some(profile);
    }
    for (name, context) in contexts(spec) {
        let field = context.as_ref().and_then(|it| it.seccomp_profile.as_ref());
        if let Some(profile) = copied(annotations, &format!("{CONTAINER}{name}"), field, copies) {
            context.get_or_insert_default().seccomp_profile = Some(profile);
        }
    }
}

#[derive(Clone, Copy)]
enum Copies {
    BothWays,
    ToFields,
}

/// Writes the annotation if only the field is there; returns the field if only the annotation is.
fn copied(
    annotations: &mut Annotations,
    key: &str,
    field: Option<&api::SeccompProfile>,
    copies: Copies,
) -> Option<api::SeccompProfile> {
    let annotation = annotations.as_ref().and_then(|it| it.get(key));
    match (annotation, field, copies) {
        (Some(text), None, _) => field_of(text),
        (None, Some(field), Copies::BothWays) => {
            let text = text_of(&field.type_, field.localhost_profile.as_deref())?;
            annotations.get_or_insert_default().insert(key.to_owned(), text);
            None
        }
        (None, Some(_), Copies::ToFields) | (Some(_), Some(_), _) | (None, None, _) => None,
    }
}

fn field_of(text: &str) -> Option<api::SeccompProfile> {
    let (kind, name) = match text {
        "unconfined" => ("Unconfined", None),
        "runtime/default" | "docker/default" => ("RuntimeDefault", None),
        other => ("Localhost", Some(other.strip_prefix("localhost/").filter(|it| !it.is_empty())?)),
    };
    let localhost_profile = name.map(ToOwned::to_owned);
    Some(api::SeccompProfile { type_: kind.to_owned(), localhost_profile })
}
