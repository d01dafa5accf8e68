//! Which seccomp profile a container is meant to have, from fields and annotations of every era.
//!
//! | clusters | what they read |
//! |---|---|
//! | 1.3 | `security.alpha.kubernetes.io/seccomp/container/<name>`, `…/seccomp/pod` |
//! | 1.4 – 1.18 | `container.seccomp.security.alpha.kubernetes.io/<name>`, `seccomp.security.alpha.kubernetes.io/pod` |
//! | 1.19 – 1.26 | container field, container annotation, pod field, pod annotation |
//! | 1.27 – | the fields alone |
//!
//! Without a named version an annotation of any era fills in what no field says, with a warning; if
//! a field says something else, nobody can know which was meant, and the pod is refused.

use std::collections::BTreeSet;

use stockade_spec::k8s_openapi::api::core::v1::SeccompProfile;
use stockade_spec::{FieldPath, Place, Pod};

use crate::scope::{Findings, Said, Scope, pod_place};
use crate::world::{Legacy, LegacyUnconfined};
use crate::{Origin, Reason, Sourced};

/// A profile, by the name that a manifest gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ProfileName {
    Unconfined,
    RuntimeDefault,
    Localhost(String),
}

/// Lists the profiles of the node that a pod names, in fields or annotations.
pub(crate) fn localhost_profiles(pod: &Pod) -> BTreeSet<String> {
    let shared = pod.security_context().and_then(|it| it.seccomp_profile.as_ref());
    let own = pod.containers().filter_map(|it| it.security_context?.seccomp_profile.as_ref());
    let in_fields = own.chain(shared).filter_map(|it| it.localhost_profile.clone());
    let in_annotations = (pod.annotations().iter())
        .filter(|(key, _)| ERAS.iter().any(|era| *key == era.pod || key.starts_with(era.container)))
        .filter_map(|(_, value)| Some(value.strip_prefix("localhost/")?.to_owned()));
    in_fields.chain(in_annotations).filter(|name| !name.is_empty()).collect()
}

/// The declared profile with its origin; `None` if nothing is said.
pub(super) fn declared(scope: &Scope<'_>, findings: &mut Findings) -> Option<Sourced<ProfileName>> {
    let own = scope.own().and_then(|it| it.seccomp_profile.as_ref());
    let shared = scope.shared().and_then(|it| it.seccomp_profile.as_ref());
    let own = own.map(|it| of_field(it, scope.own_place("seccompProfile"), scope, findings));
    let shared =
        shared.map(|it| of_field(it, pod_place(scope.pod, "seccompProfile"), scope, findings));

    let name = &scope.container.name;
    let own_annotation = annotation(scope, |era| format!("{}{name}", era.container), findings);
    let shared_annotation = annotation(scope, |era| era.pod.to_owned(), findings);

    match scope.world.node.legacy {
        Legacy::Exactly(_) => Said {
            own_field: own,
            own_annotation,
            pod_field: shared,
            pod_annotation: shared_annotation,
        }
        .first(),
        Legacy::Honoured { unconfined } => {
            let said = own.or(shared);
            let dead = own_annotation.or(shared_annotation);
            combine(said, dead, unconfined, findings)
        }
    }
}

/// The annotations that a kubelet reads, as they are written.
pub(crate) fn kubelet_annotations<'a>(scope: &Scope<'a>) -> Said<&'a str> {
    let text = |key: &str| scope.pod.annotations().get(key).map(String::as_str);
    let [era, ..] = ERAS;
    Said {
        own_annotation: text(&format!("{}{}", era.container, scope.container.name)),
        pod_annotation: text(era.pod),
        ..Said::default()
    }
}

/// A dead annotation fills in what no field says.
fn combine(
    field: Option<Sourced<ProfileName>>,
    annotation: Option<Sourced<ProfileName>>,
    unconfined: LegacyUnconfined,
    findings: &mut Findings,
) -> Option<Sourced<ProfileName>> {
    let Some(annotation) = annotation else { return field };
    let place = annotation.origin.place().cloned();
    match (field, place) {
        (Some(field), Some(place)) if field.value != annotation.value => {
            let why = format!("this annotation and {} name different profiles", field.origin);
            findings.refuse_with_hint(
                Reason::CreateContainerConfigError,
                place,
                why,
                "remove the annotation: clusters ignore it since v1.27",
            );
            Some(field)
        }
        (Some(field), _) => Some(field),
        (None, Some(place))
            if annotation.value == ProfileName::Unconfined
                && unconfined == LegacyUnconfined::Refused =>
        {
            findings.refuse_with_hint(
                Reason::CreateContainerConfigError,
                place,
                "an annotation that clusters ignore since v1.27 is not taken to loosen a container",
                "write `seccompProfile: {type: Unconfined}`, or pass --allow-legacy-unconfined",
            );
            Some(annotation)
        }
        (None, place) => {
            if let Some(place) = place {
                findings.warn(
                    Origin::Annotation(place),
                    "clusters ignore this annotation since v1.27; use the field \
                     `securityContext.seccompProfile` instead",
                );
            }
            Some(annotation)
        }
    }
}

/// The field was validated before: its type is one of three and a name goes with `Localhost` only.
fn of_field(
    profile: &SeccompProfile,
    place: Place,
    scope: &Scope<'_>,
    findings: &mut Findings,
) -> Sourced<ProfileName> {
    if let Legacy::Exactly(minor) = scope.world.node.legacy
        && minor < 19
    {
        let why = format!("Kubernetes 1.{minor} has no field for seccomp and would drop it");
        findings.refuse(Reason::NotEnforced, place.clone(), why);
    }
    let value = match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", Some(name)) if !name.trim().is_empty() => {
            ProfileName::Localhost(name.to_owned())
        }
        ("Localhost", _) => {
            findings.refuse(
                Reason::CreateContainerConfigError,
                place.clone(),
                "localhostProfile must be set if seccompProfile type is Localhost.",
            );
            ProfileName::RuntimeDefault
        }
        ("Unconfined", _) => ProfileName::Unconfined,
        _ => ProfileName::RuntimeDefault,
    };
    Sourced::new(value, Origin::Declared(place))
}

/// The annotation of the newest era that is present and counts.
fn annotation(
    scope: &Scope<'_>,
    key: impl Fn(&Era) -> String,
    findings: &mut Findings,
) -> Option<Sourced<ProfileName>> {
    let mut found = None;
    for era in &ERAS {
        let key = key(era);
        let Some(text) = scope.pod.annotations().get(&key) else { continue };
        let place = scope.pod.place(&FieldPath::from("metadata.annotations").key(&key));
        if let Legacy::Exactly(minor) = scope.world.node.legacy
            && !(era.first..=era.last).contains(&minor)
        {
            let what = format!("Kubernetes 1.{minor} does not read this annotation");
            findings.warn(Origin::Annotation(place), what);
            continue;
        }
        match of_text(text) {
            Some(value) => {
                found = found.or(Some(Sourced::new(value, Origin::Annotation(place))));
            }
            None => findings.refuse(
                Reason::CreateContainerConfigError,
                place,
                format!("{text:?}: must be a valid seccomp profile"),
            ),
        }
    }
    found
}

fn of_text(text: &str) -> Option<ProfileName> {
    match text {
        "runtime/default" | "docker/default" => Some(ProfileName::RuntimeDefault),
        "unconfined" => Some(ProfileName::Unconfined),
        other => {
            let name = other.strip_prefix("localhost/")?;
            (!name.trim().is_empty()).then(|| ProfileName::Localhost(name.to_owned()))
        }
    }
}

/// The annotations of one generation of clusters.
struct Era {
    container: &'static str,
    pod: &'static str,
    first: u32,
    last: u32,
}

/// Newest first.
const ERAS: [Era; 2] = [
    Era {
        container: "container.seccomp.security.alpha.kubernetes.io/",
        pod: "seccomp.security.alpha.kubernetes.io/pod",
        first: 4,
        last: 26,
    },
    Era {
        container: "security.alpha.kubernetes.io/seccomp/container/",
        pod: "security.alpha.kubernetes.io/seccomp/pod",
        first: 3,
        last: 3,
    },
];
