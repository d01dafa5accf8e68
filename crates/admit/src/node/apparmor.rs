//! The node's refusal of AppArmor profiles that it cannot enforce.
//!
//! First the kubelet's check, for the pod as a whole: if any field or annotation asks for a profile, the
//! kernel must enforce AppArmor, and then each profile must be one.
//!
//! | a profile of the node | |
//! |---|---|
//! | has the form of one, or is none | until 1.29; since 1.30 a text that is none counts as unset |
//! | has a name | since 1.24 |
//! | is loaded | until 1.23, since then the runtime's business: here, of the plan |
//!
//! Then this build's own: on a kernel with AppArmor an unset profile means the runtime's default profile,
//! which it does not have: it is refused, not left out.
//!
//! Source: Kubernetes `pkg/security/apparmor`, reason `AppArmor`.

use std::fmt;

use stockade_abi::Host;
use stockade_abi::host::{AppArmorSupport, LsmState};
use stockade_confine::{AppArmor, Origin, Reason, Refusal, Resolved, Sourced, World};
use stockade_spec::k8s_openapi::api::core::v1::AppArmorProfile;
use stockade_spec::{Container, FieldPath, Pod};

pub(crate) fn check(pod: &Pod, resolved: &Resolved, world: &World, host: &Host) -> Vec<Refusal> {
    match kubelet(pod, world.node.legacy.minor(), &host.apparmor) {
        Err(refusal) => vec![*refusal],
        Ok(_) => without_default(pod, resolved, host),
    }
}

/// Whether a pod needs a kernel with AppArmor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// A field or annotation asks for a profile, be it for a container that overrides it.
    Required,
    /// None does.
    NotRequired,
}

/// Judges as a kubelet of Kubernetes 1.`minor` does.
///
/// # Errors
///
/// The refusal, in its words.
pub fn kubelet(pod: &Pod, minor: u32, support: &AppArmorSupport) -> Result<Need, Box<Refusal>> {
    let Some(path) = need(pod, minor) else { return Ok(Need::NotRequired) };
    let refuse = |path: &FieldPath, why: &str, hint: Option<&str>| {
        Err(Box::new(Refusal {
            reason: Reason::AppArmor,
            place: pod.place(path),
            why: format!("Cannot enforce AppArmor: {why}"),
            hint: hint.map(ToOwned::to_owned),
        }))
    };
    match support.state {
        LsmState::Inactive => {
            return refuse(&path, "AppArmor is not enabled on the host", Some(NO_KERNEL));
        }
        LsmState::Active => {}
    }
    for container in pod.containers() {
        if let Some((path, why)) = fault(pod, &container, minor, support) {
            return refuse(&path, &why, None);
        }
    }
    Ok(Need::Required)
}

/// The first field or annotation for which AppArmor is needed. Where an annotation asks for a profile
/// and another for none, a kubelet goes by the one that it happens to see first; here the profile counts.
pub fn need(pod: &Pod, minor: u32) -> Option<FieldPath> {
    if minor >= FIELDS_SINCE {
        let asks = |it: Option<&AppArmorProfile>| it.is_some_and(|it| it.type_ != "Unconfined");
        if asks(pod.security_context().and_then(|it| it.app_armor_profile.as_ref())) {
            return Some(FieldPath::from("spec.securityContext.appArmorProfile"));
        }
        if let Some(container) = pod.containers().find(|it| asks(own(it))) {
            return Some(container.path.child("securityContext.appArmorProfile"));
        }
    }
    let mut notes = pod.annotations().iter().filter(|(key, _)| key.starts_with(KEY));
    let (key, _) = notes.find(|(_, text)| *text != "unconfined")?;
    Some(FieldPath::from("metadata.annotations").key(key))
}

fn own<'a>(container: &Container<'a>) -> Option<&'a AppArmorProfile> {
    container.security_context?.app_armor_profile.as_ref()
}

/// What is wrong with the profile of a container, and where it is said.
fn fault(
    pod: &Pod,
    container: &Container<'_>,
    minor: u32,
    support: &AppArmorSupport,
) -> Option<(FieldPath, String)> {
    let key = format!("{KEY}{}", container.name);
    let text = pod.annotations().get(&key).map(String::as_str);
    let note = FieldPath::from("metadata.annotations").key(&key);
    if minor < FIELDS_SINCE {
        return fault_of_text(text.unwrap_or_default(), minor, support).map(|why| (note, why));
    }
    let of_pod = FieldPath::from("spec.securityContext.appArmorProfile");
    let shared = pod.security_context().and_then(|it| it.app_armor_profile.as_ref());
    let (path, name) = match (own(container), text.and_then(meant), shared) {
        (Some(field), _, _) => {
            (container.path.child("securityContext.appArmorProfile"), local_name(field)?)
        }
        (None, Some(localhost), _) => (note, Some(localhost?)),
        (None, None, Some(field)) => (of_pod, local_name(field)?),
        (None, None, None) => return None,
    };
    let is_blank = name.is_none_or(|it| it.trim().is_empty());
    let shown = Printed(name).to_string();
    is_blank.then(|| (path, format!("invalid empty AppArmor profile name: {shown:?}")))
}

fn fault_of_text(text: &str, minor: u32, support: &AppArmorSupport) -> Option<String> {
    if matches!(text, "" | "runtime/default" | "unconfined") {
        return None;
    }
    let Some(name) = text.strip_prefix(LOCALHOST) else {
        return Some(format!("invalid AppArmor profile name: {text:?}"));
    };
    if minor >= NAMED_SINCE {
        let is_blank = name.trim().is_empty();
        return is_blank.then(|| format!("invalid empty AppArmor profile name: {text:?}"));
    }
    let is_loaded = support.profiles.known().is_some_and(|it| it.contains_key(name));
    (!is_loaded).then(|| format!("profile {name:?} is not loaded"))
}

/// What an annotation means: nothing, or something, with a name if it is a profile of the node.
fn meant(text: &str) -> Option<Option<&str>> {
    match text {
        "runtime/default" | "unconfined" => Some(None),
        other => other.strip_prefix(LOCALHOST).map(Some),
    }
}

/// The name in a field that means a profile of the node.
fn local_name(field: &AppArmorProfile) -> Option<Option<&str>> {
    (field.type_ == "Localhost").then_some(field.localhost_profile.as_deref())
}

/// A profile of the node as Go prints its type.
struct Printed<'a>(Option<&'a str>);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("&AppArmorProfile{Type:Localhost,LocalhostProfile:")?;
        match self.0 {
            Some(name) => write!(f, "*{name},}}"),
            None => f.write_str("nil,}"),
        }
    }
}

fn without_default(pod: &Pod, resolved: &Resolved, host: &Host) -> Vec<Refusal> {
    let judge = |(name, profile): (&str, &Sourced<AppArmor>)| {
        let why = match (&profile.value, host.apparmor.state, &profile.origin) {
            (AppArmor::Unconfined | AppArmor::Localhost(_), _, _) | (_, LsmState::Inactive, _) => {
                return None;
            }
            (AppArmor::Unset | AppArmor::RuntimeDefault, _, Origin::Default(_)) => {
                "no profile is declared, which means the runtime's default profile, and this build \
                 has none"
            }
            (AppArmor::Unset | AppArmor::RuntimeDefault, _, _) => {
                "this build has no runtime default profile"
            }
        };
        let container = || {
            let path = pod.container(name).map(|it| it.path);
            pod.key_place(&path.unwrap_or_else(|| FieldPath::from("spec.containers")))
        };
        let place = profile.origin.place().cloned().unwrap_or_else(container);
        Some(Refusal {
            reason: Reason::AppArmor,
            place,
            why: format!("Cannot enforce AppArmor: {why}"),
            hint: Some(NO_DEFAULT.to_owned()),
        })
    };
    let all = resolved.containers.iter();
    all.map(|it| (it.name.as_str(), &it.confinement.apparmor)).filter_map(judge).collect()
}

const NO_KERNEL: &str = "boot a kernel with AppArmor (`cat /sys/module/apparmor/parameters/enabled` \
                         says Y), or ask for `Unconfined`";
const NO_DEFAULT: &str = "name a loaded profile (`appArmorProfile: {type: Localhost, \
                          localhostProfile: …}`) or declare `appArmorProfile: {type: Unconfined}`";
const KEY: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCALHOST: &str = "localhost/";
const FIELDS_SINCE: u32 = 30;
const NAMED_SINCE: u32 = 24;

#[cfg(test)]
mod tests;
