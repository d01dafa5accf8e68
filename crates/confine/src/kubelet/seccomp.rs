//! seccomp, as a profile and as the text of times past.
//!
//! The profile is made of fields alone, even where a kubelet still reads annotations: those end in the
//! text. A field whose type is none amounts to `Unconfined`.

use stockade_spec::k8s_openapi::api::core::v1::SeccompProfile;

use super::{SecurityProfile, Unaskable};
use crate::mechanism::seccomp::kubelet_annotations;
use crate::scope::{Said, Scope};
use crate::world::SeccompDefault;

/// The profile; `None` before there was one.
pub(super) fn profile(
    scope: &Scope<'_>,
    minor: u32,
    profiles: &str,
) -> Result<Option<SecurityProfile>, Unaskable> {
    if minor < FIELDS_SINCE {
        return Ok(None);
    }
    let fields = fields(scope);
    Ok(Some(match fields.first() {
        None => by_default(scope, minor),
        Some(field) => of_field(field, minor, profiles)?.unwrap_or(SecurityProfile::Unconfined),
    }))
}

/// The text; `None` since there is none.
pub(super) fn text(
    scope: &Scope<'_>,
    minor: u32,
    profiles: &str,
) -> Result<Option<String>, Unaskable> {
    if minor >= NO_TEXT_SINCE {
        return Ok(None);
    }
    let fields = if minor < FIELDS_SINCE { Said::default() } else { fields(scope) };
    let notes =
        if minor < NO_ANNOTATIONS_SINCE { kubelet_annotations(scope) } else { Said::default() };
    let said = Said {
        own_field: fields.own_field.map(Source::Field),
        own_annotation: notes.own_annotation.map(Source::Annotation),
        pod_field: fields.pod_field.map(Source::Field),
        pod_annotation: notes.pod_annotation.map(Source::Annotation),
    };
    let text = match said.first() {
        Some(Source::Annotation(text)) => Some(with_path(text, profiles)),
        Some(Source::Field(field)) => of_field(field, minor, profiles)?.map(|it| spelled(&it)),
        None => None,
    };
    let unset = || match by_default(scope, minor) {
        SecurityProfile::RuntimeDefault => "runtime/default".to_owned(),
        SecurityProfile::Unconfined | SecurityProfile::Localhost(_) => String::new(),
    };
    Ok(Some(text.unwrap_or_else(unset)))
}

enum Source<'a> {
    Field(&'a SeccompProfile),
    Annotation(&'a str),
}

fn fields<'a>(scope: &Scope<'a>) -> Said<&'a SeccompProfile> {
    Said {
        own_field: scope.own().and_then(|it| it.seccomp_profile.as_ref()),
        pod_field: scope.shared().and_then(|it| it.seccomp_profile.as_ref()),
        ..Said::default()
    }
}

/// What a field says; `None` if that is nothing.
fn of_field(
    field: &SeccompProfile,
    minor: u32,
    profiles: &str,
) -> Result<Option<SecurityProfile>, Unaskable> {
    let name = field.localhost_profile.as_deref().filter(|it| !it.is_empty());
    Ok(match (field.type_.as_str(), name) {
        ("RuntimeDefault", _) => Some(SecurityProfile::RuntimeDefault),
        ("Unconfined", _) => Some(SecurityProfile::Unconfined),
        ("Localhost", Some(name)) => Some(SecurityProfile::Localhost(below(profiles, name))),
        ("Localhost", None) if minor >= NAMED_SINCE => return Err(Unaskable::SeccompName),
        _ => None,
    })
}

fn by_default(scope: &Scope<'_>, minor: u32) -> SecurityProfile {
    match scope.world.node.seccomp_default {
        SeccompDefault::RuntimeDefault if minor >= DEFAULT_SINCE => SecurityProfile::RuntimeDefault,
        SeccompDefault::RuntimeDefault | SeccompDefault::Unconfined => SecurityProfile::Unconfined,
    }
}

fn spelled(profile: &SecurityProfile) -> String {
    match profile {
        SecurityProfile::RuntimeDefault => "runtime/default".to_owned(),
        SecurityProfile::Unconfined => "unconfined".to_owned(),
        SecurityProfile::Localhost(path) => format!("localhost/{path}"),
    }
}

/// Any other text of an annotation goes to the runtime as it is.
fn with_path(text: &str, profiles: &str) -> String {
    text.strip_prefix("localhost/")
        .map_or_else(|| text.to_owned(), |name| format!("localhost/{}", below(profiles, name)))
}

/// The path of `name` below an absolute directory, without `.`, `..` and empty elements. What leads out
/// of the directory does so here as well: to refuse it is for the API server.
fn below(directory: &str, name: &str) -> String {
    let mut path: Vec<&str> = Vec::new();
    for element in directory.split('/').chain(name.split('/')) {
        match element {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            element => path.push(element),
        }
    }
    format!("/{}", path.join("/"))
}

const FIELDS_SINCE: u32 = 19;
const DEFAULT_SINCE: u32 = 22;
const NAMED_SINCE: u32 = 25;
const NO_ANNOTATIONS_SINCE: u32 = 25;
const NO_TEXT_SINCE: u32 = 28;
