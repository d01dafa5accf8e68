//! AppArmor: the profile under which a container's program runs.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.appArmorProfile` (container, else pod), annotation `container.apparmor.security.beta.kubernetes.io/<container>` |
//! | meant | [`AppArmor`] |
//! | done | the name written to `/proc/self/attr/apparmor/exec`, in force from `execve` on |
//! | seen | `/proc/<pid>/attr/apparmor/current` |
//!
//! The container's field goes before the annotation, and the annotation before the pod's field, as
//! in the kubelet. Whether the node can enforce it is for the admission of the node to say.

use stockade_abi::facts::Label;
use stockade_abi::host::LsmState;
use stockade_abi::{Host, Reading};
use stockade_spec::k8s_openapi::api::core::v1::AppArmorProfile;
use stockade_spec::{FieldPath, Place};

use crate::container::AppArmor;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, SecurityModule, Stage, Step};
use crate::scope::{Findings, Scope, pod_place};
use crate::world::Legacy;
use crate::{Origin, Reason, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<AppArmor> {
    if let Some(profile) = scope.own().and_then(|it| it.app_armor_profile.as_ref()) {
        return of_field(profile, scope.own_place("appArmorProfile"), scope, findings);
    }
    if let Some(from_annotation) = of_annotation(scope, findings) {
        return from_annotation;
    }
    if let Some(profile) = scope.shared().and_then(|it| it.app_armor_profile.as_ref()) {
        return of_field(profile, pod_place(scope.pod, "appArmorProfile"), scope, findings);
    }
    if scope.is_privileged() {
        let origin = Origin::Declared(scope.own_place("privileged"));
        return Sourced::new(AppArmor::Unconfined, origin);
    }
    Sourced::default(AppArmor::Unset, "no profile is declared")
}

/// The field was validated before: its type is one of three and a name goes with `Localhost` only.
fn of_field(
    profile: &AppArmorProfile,
    place: Place,
    scope: &Scope<'_>,
    findings: &mut Findings,
) -> Sourced<AppArmor> {
    if let Legacy::Exactly(minor) = scope.world.node.legacy
        && minor < 30
    {
        let why = format!("Kubernetes 1.{minor} has no field for AppArmor and would drop it");
        findings.refuse(Reason::NotEnforced, place.clone(), why);
    }
    let value = match (profile.type_.as_str(), &profile.localhost_profile) {
        ("Localhost", Some(name)) => AppArmor::Localhost(name.clone()),
        ("Unconfined", _) => AppArmor::Unconfined,
        _ => AppArmor::RuntimeDefault,
    };
    Sourced::new(value, Origin::Declared(place))
}

fn of_annotation(scope: &Scope<'_>, findings: &mut Findings) -> Option<Sourced<AppArmor>> {
    let (text, place) = annotation_of(scope)?;
    if let Legacy::Exactly(minor) = scope.world.node.legacy
        && minor < 4
    {
        findings
            .warn(Origin::Annotation(place), format!("Kubernetes 1.{minor} does not read this"));
        return None;
    }
    let value = match of_text(text) {
        Some(AppArmor::Localhost(name)) if name.trim().is_empty() => None,
        value => value,
    };
    let Some(value) = value else {
        let why = format!("invalid AppArmor profile name: {text:?}");
        findings.refuse(Reason::AppArmor, place, why);
        return None;
    };
    if !matches!(scope.world.node.legacy, Legacy::Exactly(minor) if minor < 30) {
        findings.warn(
            Origin::Annotation(place.clone()),
            "deprecated since v1.30; use the \"appArmorProfile\" field instead",
        );
    }
    Some(Sourced::new(value, Origin::Annotation(place)))
}

/// The annotation of the container, as it is written.
pub(crate) fn annotation_of<'a>(scope: &Scope<'a>) -> Option<(&'a str, Place)> {
    let key = format!("{ANNOTATION_PREFIX}{}", scope.container.name);
    let text = scope.pod.annotations().get(&key)?;
    Some((text, scope.pod.place(&FieldPath::from("metadata.annotations").key(&key))))
}

/// What an annotation says; `None` if that is nothing.
pub(crate) fn of_text(text: &str) -> Option<AppArmor> {
    match text {
        "runtime/default" => Some(AppArmor::RuntimeDefault),
        "unconfined" => Some(AppArmor::Unconfined),
        other => other.strip_prefix("localhost/").map(|it| AppArmor::Localhost(it.to_owned())),
    }
}

pub(crate) fn plan(profile: &Sourced<AppArmor>) -> Vec<Step> {
    let AppArmor::Localhost(name) = &profile.value else { return Vec::new() };
    let module = SecurityModule::AppArmor;
    let step = |stage, action| Step::new(stage, action, profile.origin.clone());
    vec![
        step(Stage::LabelHandles, Action::OpenLabelHandle(module)),
        step(Stage::LsmLabel, Action::SetExecLabel { module, label: name.clone() }),
    ]
}

pub(crate) fn expect(profile: &Sourced<AppArmor>, host: &Host) -> Reading<Label> {
    let named = |name: &str, mode: Option<&str>| {
        Reading::Known(Label::Is { name: name.to_owned(), mode: mode.map(ToOwned::to_owned) })
    };
    match (&profile.value, host.apparmor.state) {
        (AppArmor::Localhost(name), _) => {
            let loaded = host.apparmor.profiles.known().and_then(|it| it.get(name));
            named(name, Some(loaded.map_or("enforce", String::as_str)))
        }
        (AppArmor::RuntimeDefault, _) => named("runtime default", Some("enforce")),
        (AppArmor::Unset | AppArmor::Unconfined, LsmState::Inactive) => {
            Reading::Known(Label::Inactive)
        }
        (AppArmor::Unset | AppArmor::Unconfined, LsmState::Active) => named("unconfined", None),
    }
}

pub(crate) fn render(profile: &AppArmor) -> String {
    match profile {
        AppArmor::Unset => "unset".to_owned(),
        AppArmor::Unconfined => "unconfined".to_owned(),
        AppArmor::RuntimeDefault => "RuntimeDefault".to_owned(),
        AppArmor::Localhost(name) => format!("localhost/{name}"),
    }
}

pub(crate) fn label_text(label: &Label, inactive: &str) -> String {
    match label {
        Label::Inactive => inactive.to_owned(),
        Label::Is { name, mode: Some(mode) } => format!("{name} ({mode})"),
        Label::Is { name, mode: None } => name.clone(),
    }
}

pub(crate) fn compare(expected: &Label, seen: &Reading<Label>) -> Finding {
    Finding::of(Mechanism::AppArmor, seen, |seen| {
        (label_text(seen, "not in this kernel"), judge(expected, seen))
    })
}

fn judge(expected: &Label, seen: &Label) -> Verdict {
    match (expected, seen) {
        (wanted, has) if wanted == has => Verdict::Holds,
        (Label::Is { name, .. }, Label::Inactive) if name != UNCONFINED => {
            Verdict::Weaker("AppArmor is not active".to_owned())
        }
        (_, Label::Inactive) => Verdict::Holds,
        (Label::Is { name: wanted, .. }, Label::Is { name, .. })
            if name == UNCONFINED && wanted != UNCONFINED =>
        {
            Verdict::Weaker("the process is unconfined".to_owned())
        }
        (Label::Is { name: wanted, mode: wanted_mode }, Label::Is { name, mode })
            if wanted == name && wanted_mode.as_deref() == Some("enforce") =>
        {
            let mode = mode.as_deref().unwrap_or("no mode");
            Verdict::Weaker(format!("the profile is in {mode}, not enforced"))
        }
        (Label::Inactive | Label::Is { .. }, Label::Is { name, .. }) if name == UNCONFINED => {
            Verdict::Holds
        }
        (Label::Is { name, .. }, _) if name == UNCONFINED => {
            Verdict::Tighter("confined by another profile".to_owned())
        }
        _ => Verdict::Different("another profile".to_owned()),
    }
}

const UNCONFINED: &str = "unconfined";
const ANNOTATION_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{annotated, host, node, refusals, resolved, warnings, world};
    use crate::world::{LegacyUnconfined, Node, World};

    #[test]
    fn only_the_profile_in_the_mode_it_is_loaded_in_holds() {
        let is = |name: &str, mode: Option<&str>| Label::Is {
            name: name.to_owned(),
            mode: mode.map(ToOwned::to_owned),
        };
        let enforced = is("p", Some("enforce"));
        let unconfined = is("unconfined", None);
        for (expected, seen, verdict) in [
            (&enforced, &enforced, "ok"),
            (&enforced, &is("p", Some("complain")), "WEAKER"),
            (&enforced, &unconfined, "WEAKER"),
            (&enforced, &Label::Inactive, "WEAKER"),
            (&enforced, &is("q", Some("enforce")), "different"),
            (&unconfined, &unconfined, "ok"),
            (&unconfined, &enforced, "tighter"),
            (&Label::Inactive, &Label::Inactive, "ok"),
        ] {
            assert_eq!(judge(expected, seen).to_string(), verdict, "{expected:?} {seen:?}");
        }
    }

    #[test]
    fn the_containers_field_then_the_annotation_then_the_pods_field() {
        let shared = "appArmorProfile: {type: Localhost, localhostProfile: shared}";
        let own = "appArmorProfile: {type: Localhost, localhostProfile: own}";
        let note = "localhost/noted";
        for (text, shared, own, expected) in [
            ("", "", "", "unset"),
            ("", shared, "", "localhost/shared"),
            ("", shared, own, "localhost/own"),
            (note, "", "", "localhost/noted"),
            (note, shared, "", "localhost/noted"),
            (note, shared, own, "localhost/own"),
            ("unconfined", shared, "", "unconfined"),
            ("runtime/default", "", "", "RuntimeDefault"),
            ("", "", "privileged: true", "unconfined"),
            (note, "", "privileged: true", "localhost/noted"),
            ("", "appArmorProfile: {type: RuntimeDefault}", "privileged: true", "RuntimeDefault"),
        ] {
            let resolved = resolved(&noted(text, shared, own), &world());
            let found = &resolved.containers[0].confinement.apparmor.value;
            assert_eq!(render(found), expected, "{text} {shared} {own}");
        }
    }

    #[test]
    fn an_annotation_must_name_a_profile() {
        for text in ["localhost/", "localhost/ ", "Unconfined", "docker/default", "x"] {
            let told = refusals(&noted(text, "", ""), &world());
            let why = format!("AppArmor: invalid AppArmor profile name: {text:?}");
            assert!(told.len() == 1 && told[0].ends_with(&why), "{text}: {told:?}");
        }
    }

    #[test]
    fn annotations_count_from_1_4_on_and_are_deprecated_since_1_30() {
        for (legacy, expected, deprecated) in [
            (Legacy::Exactly(3), "unset", false),
            (Legacy::Exactly(4), "localhost/x", false),
            (Legacy::Exactly(29), "localhost/x", false),
            (Legacy::Exactly(30), "localhost/x", true),
            (Legacy::Honoured { unconfined: LegacyUnconfined::Refused }, "localhost/x", true),
        ] {
            let world = World { node: Node { legacy, ..node() }, ..world() };
            let pod = noted("localhost/x", "", "");
            let found = resolved(&pod, &world);
            let profile = &found.containers[0].confinement.apparmor.value;
            assert_eq!(render(profile), expected, "{legacy:?}");
            let told = warnings(&pod, &world);
            let says = told.iter().any(|it| it.contains("deprecated since v1.30"));
            assert_eq!(says, deprecated, "{legacy:?}: {told:?}");
        }
    }

    #[test]
    fn a_field_is_no_field_to_a_cluster_before_1_30() {
        let field = "appArmorProfile: {type: Unconfined}";
        for (minor, is_known) in [(29, false), (30, true)] {
            let world =
                World { node: Node { legacy: Legacy::Exactly(minor), ..node() }, ..world() };
            for pod in [annotated("", field, ""), annotated("", "", field)] {
                let told = refusals(&pod, &world);
                assert_eq!(told.is_empty(), is_known, "v1.{minor}: {told:?}");
                let says = told.iter().all(|it| it.contains("1.29 has no field for AppArmor"));
                assert!(says, "{told:?}");
            }
        }
    }

    #[test]
    fn the_mode_is_the_one_that_the_profile_is_loaded_in() {
        for (name, mode) in
            [("enforcing", "enforce"), ("complaining", "complain"), ("x", "enforce")]
        {
            let profile = Sourced::default(AppArmor::Localhost(name.to_owned()), "");
            let label = expect(&profile, &host());
            let label = label_text(label.known().unwrap(), "");
            assert_eq!(label, format!("{name} ({mode})"));
        }
    }

    fn noted(text: &str, shared: &str, own: &str) -> stockade_spec::Pod {
        let note = format!("{ANNOTATION_PREFIX}c: {text:?}");
        annotated(if text.is_empty() { "" } else { &note }, shared, own)
    }
}
