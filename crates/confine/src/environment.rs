//! A container's variables, and where their values come from.
//!
//! | said | meant |
//! |---|---|
//! | the image's `ENV`, `envFrom`, `env` | in this order; each name once, a later value in the place of an earlier one |
//! | `value` | `$(NAME)` of an earlier variable is filled in, `$$` is a dollar |
//! | `valueFrom` | as it stands: nothing is filled in |
//! | `envFrom` | every key that is a variable's name; the others are skipped with a warning |
//! | `optional: true` | what is not there sets nothing |
//!
//! A ConfigMap's `binaryData` is not for variables. Wording: the kubelet's. Source: the kubelet's
//! `makeEnvironmentVariables`.

use std::collections::BTreeMap;

use stockade_spec::k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, EnvVarSource};
use stockade_spec::{Content, DataKind, Place};

use crate::objects::{Optional, entries, entry};
use crate::scope::{Findings, Scope};
use crate::{Origin, Reason, downward};

/// In order, each name once, the last value kept at the place of the first.
pub(crate) fn resolve(
    scope: &Scope<'_>,
    hostname: &str,
    findings: &mut Findings,
) -> Vec<(String, String)> {
    let mut all = vec![
        ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
        ("HOSTNAME".to_owned(), hostname.to_owned()),
    ];
    for entry in &scope.image.environment {
        if let Some((name, value)) = entry.split_once('=') {
            set(&mut all, name, value.to_owned());
        }
    }
    if scope.container.tty == Some(true) {
        set(&mut all, "TERM", "xterm".to_owned());
    }
    for (index, source) in scope.container.env_from.iter().flatten().enumerate() {
        take_all(scope, &format!("envFrom[{index}]"), source, &mut all, findings);
    }
    for (index, variable) in scope.container.env.iter().flatten().enumerate() {
        let at = format!("env[{index}]");
        let EnvVar { name, value, value_from } = variable;
        let value = match (value.as_deref().unwrap_or_default(), value_from) {
            // As the kubelet does: an empty value is none.
            ("", Some(source)) => match value_of(scope, &at, source, findings) {
                Some(value) => value,
                None => continue,
            },
            (text, _) => {
                let known: BTreeMap<&str, &str> =
                    all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                expand(text, &known)
            }
        };
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let why = format!("{name:?} cannot be a variable's name, or its value has a NUL");
            findings.refuse(Reason::CreateContainerConfigError, scope.field(&at), why);
            continue;
        }
        set(&mut all, name, value);
    }
    all
}

/// The value that a variable takes from elsewhere; `None` if it has none.
fn value_of(
    scope: &Scope<'_>,
    at: &str,
    source: &EnvVarSource,
    findings: &mut Findings,
) -> Option<String> {
    let EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = source;
    let from = format!("{at}.valueFrom");
    let place = |field: &str| scope.field(&format!("{from}.{field}"));
    let refuse = |findings: &mut Findings, place: Place, why: String| {
        findings.refuse(Reason::CreateContainerConfigError, place, why);
        None
    };
    let number = [
        config_map_key_ref.is_some(),
        field_ref.is_some(),
        file_key_ref.is_some(),
        resource_field_ref.is_some(),
        secret_key_ref.is_some(),
    ];
    if number.iter().filter(|is_set| **is_set).count() != 1 {
        let why = "a variable has its value from exactly one source".to_owned();
        return refuse(findings, scope.field(&from), why);
    }
    if file_key_ref.is_some() {
        let why = "`fileKeyRef` is not read by this build";
        findings.refuse(Reason::NotEnforced, place("fileKeyRef"), why);
        return None;
    }
    if let Some(field) = field_ref {
        return match downward::field_of_variable(scope.pod, scope.world, &field.field_path) {
            Ok(value) => Some(value),
            Err(why) => refuse(findings, place("fieldRef.fieldPath"), why),
        };
    }
    if let Some(resource) = resource_field_ref {
        return match downward::resource(scope.spec, Some(scope.container), resource) {
            Ok(value) => Some(value),
            Err(why) => refuse(findings, place("resourceFieldRef"), why),
        };
    }
    let (kind, name, key, optional, field) = match (config_map_key_ref, secret_key_ref) {
        (Some(it), _) => (DataKind::ConfigMap, &it.name, &it.key, it.optional, "configMapKeyRef"),
        (None, Some(it)) => (DataKind::Secret, &it.name, &it.key, it.optional, "secretKeyRef"),
        (None, None) => return None,
    };
    match entry(scope.pod, scope.world, kind, name, key, Optional::of(optional)) {
        Ok(None) => None,
        Ok(Some(Content::Text(text))) => Some(text.clone()),
        Ok(Some(Content::Bytes(_))) => {
            let why = format!("the value of key {key} is not UTF-8");
            refuse(findings, place(&format!("{field}.key")), why)
        }
        Err(absent) => {
            let place = place(&format!("{field}.{}", absent.field));
            absent.refuse(place, findings);
            None
        }
    }
}

/// Takes every key of an object as a variable.
fn take_all(
    scope: &Scope<'_>,
    at: &str,
    source: &EnvFromSource,
    all: &mut Vec<(String, String)>,
    findings: &mut Findings,
) {
    let EnvFromSource { config_map_ref, prefix, secret_ref } = source;
    let prefix = prefix.as_deref().unwrap_or_default();
    let (kind, name, optional, field) = match (config_map_ref, secret_ref) {
        (Some(it), None) => (DataKind::ConfigMap, &it.name, it.optional, "configMapRef"),
        (None, Some(it)) => (DataKind::Secret, &it.name, it.optional, "secretRef"),
        (Some(_), Some(_)) | (None, None) => {
            let why = "variables come from exactly one of `configMapRef` and `secretRef`";
            findings.refuse(Reason::CreateContainerConfigError, scope.field(at), why);
            return;
        }
    };
    let place = scope.field(&format!("{at}.{field}.name"));
    let entries = match entries(scope.world, kind, name, Optional::of(optional)) {
        Ok(Some(entries)) => entries,
        Ok(None) => return,
        Err(absent) => return absent.refuse(place, findings),
    };
    let mut skipped = Vec::new();
    for (key, content) in entries {
        let variable = format!("{prefix}{key}");
        match content {
            _ if !is_name(&variable) => skipped.push(variable),
            Content::Text(text) if !text.contains('\0') => set(all, &variable, text.clone()),
            Content::Bytes(_) if kind == DataKind::ConfigMap => {}
            Content::Text(_) | Content::Bytes(_) => {
                let why = format!("the value of key {key} is not UTF-8, or has a NUL");
                findings.refuse(Reason::CreateContainerConfigError, place.clone(), why);
            }
        }
    }
    if !skipped.is_empty() {
        let what = format!(
            "Keys [{}] from the EnvFrom {} {}/{name} were skipped since they are considered \
             invalid environment variable names.",
            skipped.join(", "),
            kind.resource(),
            scope.pod.namespace()
        );
        findings.warn(Origin::Declared(place), what);
    }
}

/// A letter, digit, `_`, `-` or `.`, but no digit in front, and nothing that leads upwards.
fn is_name(name: &str) -> bool {
    let known = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    let dots = name == "." || name.starts_with("..");
    !dots && name.chars().all(known) && name.chars().next().is_some_and(|it| !it.is_ascii_digit())
}

fn set(all: &mut Vec<(String, String)>, name: &str, value: String) {
    match all.iter_mut().find(|it| it.0 == name) {
        Some(entry) => entry.1 = value,
        None => all.push((name.to_owned(), value)),
    }
}

/// Fills in `$(NAME)`; a name that is not known stays as it is written, `$$` is a dollar.
pub(crate) fn expand(text: &str, known: &BTreeMap<&str, &str>) -> String {
    expand_with(text, known).0
}

/// The same, and the names that are not known.
pub(crate) fn expand_with<'t>(
    text: &'t str,
    known: &BTreeMap<&str, &str>,
) -> (String, Vec<&'t str>) {
    let mut out = String::with_capacity(text.len());
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|it| it.split_once(')'))
        {
            match known.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    unknown.push(name);
                    out.push_str(&from[..name.len() + 3]);
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    (out, unknown)
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests;
