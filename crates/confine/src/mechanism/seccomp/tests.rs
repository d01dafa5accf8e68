use proptest::prelude::*;
use stockade_seccomp::evaluate;

use super::*;
use crate::testing::{annotated, node, refusals, resolved, secured, warnings, world};
use crate::world::{Legacy, LegacyUnconfined, World};

fn meant(pod: &stockade_spec::Pod, world: &World) -> String {
    render(&resolved(pod, world).containers[0].confinement.seccomp.value)
}

#[test]
fn fields_say_which_profile() {
    for (shared, own, expected) in [
        ("", "", "unconfined"),
        ("", "seccompProfile: {type: Unconfined}", "unconfined"),
        ("", "seccompProfile: {type: RuntimeDefault}", "RuntimeDefault"),
        ("", "seccompProfile: {type: Localhost, localhostProfile: chmod}", "localhost/chmod"),
        ("seccompProfile: {type: RuntimeDefault}", "", "RuntimeDefault"),
        (
            "seccompProfile: {type: RuntimeDefault}",
            "seccompProfile: {type: Unconfined}",
            "unconfined",
        ),
        ("seccompProfile: {type: RuntimeDefault}", "privileged: true", "unconfined"),
    ] {
        assert_eq!(meant(&secured(shared, own), &world()), expected, "{shared} {own}");
    }
    let node = crate::world::Node { seccomp_default: SeccompDefault::RuntimeDefault, ..node() };
    let world = World { node, ..world() };
    for (own, expected) in [
        ("", "RuntimeDefault"),
        ("seccompProfile: {type: Unconfined}", "unconfined"),
        ("privileged: true", "unconfined"),
    ] {
        assert_eq!(meant(&secured("", own), &world), expected, "{own}");
    }
}

#[test]
fn profiles_that_cannot_be_used_are_refused() {
    for (profile, expected) in [
        ("missing", "seccomp profile `missing` was not loaded"),
        ("unreadable", "seccomp profile `unreadable`: permission denied"),
        ("bad", "seccomp profile `bad` is not valid: "),
        ("notify", "asks for a supervisor (SCMP_ACT_NOTIFY)"),
        ("\"\"", "localhostProfile must be set if seccompProfile type is Localhost."),
    ] {
        let own = format!("seccompProfile: {{type: Localhost, localhostProfile: {profile}}}");
        let told = refusals(&secured("", &own), &world());
        assert!(told.len() == 1 && told[0].contains(expected), "{profile}: {told:?}");
        assert!(told[0].starts_with("spec.containers[0].securityContext.seccompProfile: "));
    }
}

const OLD_POD: &str = "security.alpha.kubernetes.io/seccomp/pod";
const OLD_C: &str = "security.alpha.kubernetes.io/seccomp/container/c";
const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const C: &str = "container.seccomp.security.alpha.kubernetes.io/c";
const OTHER: &str = "container.seccomp.security.alpha.kubernetes.io/cc";

#[test]
fn annotations_of_every_era_fill_in_what_no_field_says() {
    let default = "{type: RuntimeDefault}";
    for (annotations, own, expected) in [
        (&[(OLD_POD, "localhost/chmod")][..], "", "localhost/chmod"),
        (&[(OLD_C, "localhost/chmod")], "", "localhost/chmod"),
        (&[(POD, "localhost/chmod")], "", "localhost/chmod"),
        (&[(C, "localhost/chmod")], "", "localhost/chmod"),
        (&[(C, "runtime/default")], "", "RuntimeDefault"),
        (&[(C, "docker/default")], "", "RuntimeDefault"),
        (&[(OTHER, "localhost/chmod")], "", "unconfined"),
        (&[(C, "localhost/chmod"), (POD, "runtime/default")], "", "localhost/chmod"),
        (&[(POD, "localhost/chmod"), (OLD_POD, "runtime/default")], "", "localhost/chmod"),
        (&[(C, "docker/default")], default, "RuntimeDefault"),
    ] {
        let pod = noted(annotations, own);
        assert_eq!(meant(&pod, &world()), expected, "{annotations:?} {own}");
        let taken = own.is_empty() && expected != "unconfined";
        let told = warnings(&pod, &world());
        assert_eq!(told.len(), usize::from(taken), "{annotations:?} {own}: {told:?}");
        assert!(told.iter().all(|it| it.contains("clusters ignore this annotation since v1.27")));
    }
}

#[test]
fn annotations_that_loosen_or_contradict_are_refused() {
    let conflict = "name different profiles";
    let loosens = "is not taken to loosen a container";
    for (annotations, own, expected) in [
        (&[(C, "unconfined")][..], "", loosens),
        (&[(OLD_POD, "unconfined")], "", loosens),
        (&[(C, "unconfined")], "{type: Unconfined}", ""),
        (&[(C, "unconfined")], "{type: RuntimeDefault}", conflict),
        (&[(C, "localhost/chmod")], "{type: RuntimeDefault}", conflict),
        (&[(C, "localhost/chmod")], "{type: Localhost, localhostProfile: chmod}", ""),
        (&[(POD, "localhost/no-prctl")], "{type: Localhost, localhostProfile: chmod}", conflict),
        (&[(C, "localhost/")], "", "must be a valid seccomp profile"),
        (&[(C, "Unconfined")], "", "must be a valid seccomp profile"),
        (&[(POD, "")], "", "must be a valid seccomp profile"),
    ] {
        let told = refusals(&noted(annotations, own), &world());
        let holds = match expected {
            "" => told.is_empty(),
            why => told.len() == 1 && told[0].contains(why),
        };
        assert!(holds, "{annotations:?} {own}: {told:?}");
    }
    let unconfined = LegacyUnconfined::Taken;
    let node = crate::world::Node { legacy: Legacy::Honoured { unconfined }, ..node() };
    let world = World { node, ..world() };
    assert_eq!(meant(&noted(&[(C, "unconfined")], ""), &world), "unconfined");
    let told = refusals(&noted(&[(C, "unconfined")], "{type: RuntimeDefault}"), &world);
    assert!(told[0].contains(conflict), "{told:?}");
}

#[test]
fn a_named_version_reads_what_it_reads() {
    let field = "{type: RuntimeDefault}";
    for (minor, annotations, own, expected) in [
        (3, &[(OLD_POD, "localhost/chmod")][..], "", Ok("localhost/chmod")),
        (3, &[(POD, "localhost/chmod")], "", Ok("unconfined")),
        (4, &[(OLD_POD, "localhost/chmod")], "", Ok("unconfined")),
        (4, &[(POD, "localhost/chmod")], "", Ok("localhost/chmod")),
        (18, &[(C, "unconfined"), (POD, "localhost/chmod")], "", Ok("unconfined")),
        (18, &[], field, Err("1.18 has no field for seccomp")),
        (19, &[], field, Ok("RuntimeDefault")),
        (24, &[(C, "localhost/chmod")], field, Ok("RuntimeDefault")),
        (24, &[(C, "localhost/chmod")], "", Ok("localhost/chmod")),
        (26, &[(POD, "localhost/chmod")], "", Ok("localhost/chmod")),
        (27, &[(POD, "localhost/chmod")], "", Ok("unconfined")),
        (27, &[(C, "unconfined")], field, Ok("RuntimeDefault")),
    ] {
        let node = crate::world::Node { legacy: Legacy::Exactly(minor), ..node() };
        let world = World { node, ..world() };
        let pod = noted(annotations, own);
        let told = refusals(&pod, &world);
        match expected {
            Ok(profile) => {
                assert_eq!(told, [""; 0], "1.{minor} {annotations:?} {own}");
                assert_eq!(meant(&pod, &world), profile, "1.{minor} {annotations:?} {own}");
            }
            Err(why) => assert!(told.iter().any(|it| it.contains(why)), "1.{minor}: {told:?}"),
        }
    }
}

#[test]
fn a_containers_annotation_goes_before_the_pods_field_where_it_counts() {
    let shared = "seccompProfile: {type: RuntimeDefault}";
    let own = "seccompProfile: {type: Unconfined}";
    for (minor, key, own, expected) in [
        (19, C, "", "localhost/chmod"),
        (24, C, "", "localhost/chmod"),
        (26, C, "", "localhost/chmod"),
        (27, C, "", "RuntimeDefault"),
        (24, C, own, "unconfined"),
        (24, POD, "", "RuntimeDefault"),
        (24, OTHER, "", "RuntimeDefault"),
    ] {
        let node = crate::world::Node { legacy: Legacy::Exactly(minor), ..node() };
        let world = World { node, ..world() };
        let pod = annotated(&format!("{key}: localhost/chmod"), shared, own);
        assert_eq!(meant(&pod, &world), expected, "1.{minor} {key} {own}");
    }
}

#[test]
fn all_profiles_of_the_node_that_are_named_are_loaded() {
    let pod = annotated(
        "security.alpha.kubernetes.io/seccomp/pod: localhost/a, \
         container.seccomp.security.alpha.kubernetes.io/other: localhost/b, \
         seccomp.security.alpha.kubernetes.io/pod: runtime/default, \
         example.com/seccomp: localhost/z",
        "seccompProfile: {type: Localhost, localhostProfile: d/e.json}",
        "seccompProfile: {type: Localhost, localhostProfile: c}",
    );
    assert!(localhost_profiles(&pod).iter().eq(["a", "b", "c", "d/e.json"]));
}

/// A pod with annotations, and a seccomp field of its container.
fn noted(annotations: &[(&str, &str)], own: &str) -> stockade_spec::Pod {
    let written: Vec<String> =
        annotations.iter().map(|(key, value)| format!("{key}: {value:?}")).collect();
    let own = if own.is_empty() { String::new() } else { format!("seccompProfile: {own}") };
    annotated(&written.join(", "), "", &own)
}

fn program(text: &str) -> Program {
    let parsed = engine::Profile::parse("x", text).unwrap();
    let target = target(&node(), CapabilitySet::EMPTY);
    compile("x", &parsed.profile, &target).unwrap().program
}

fn denying(names: &str, action: &str) -> Program {
    program(&format!(
        r#"{{"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{{"names": [{names}], "action": "{action}"}}]}}"#
    ))
}

#[test]
fn a_filter_holds_if_it_means_the_same() {
    let meant = denying(r#""chmod""#, "SCMP_ACT_ERRNO");
    let facts = |mode, filters: Reading<Vec<Program>>| SeccompFacts { mode, count: 1, filters };
    let read = |filters: &[&Program]| {
        facts(SeccompMode::Filter, Reading::Known(filters.iter().copied().cloned().collect()))
    };
    let wanted = read(&[&meant]);
    let nothing = facts(SeccompMode::Disabled, Reading::Known(Vec::new()));
    let more = denying(r#""chmod", "fchmod""#, "SCMP_ACT_ERRNO");
    let fewer = denying(r#""fchmod""#, "SCMP_ACT_ERRNO");
    let open = program(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#);
    let logs = denying(r#""chmod""#, "SCMP_ACT_LOG");
    let unread = facts(SeccompMode::Filter, Reading::unreadable("not the initial user namespace"));
    for (shows, expected, seen, verdict) in [
        ("the same", &wanted, read(&[&meant]), "ok"),
        ("none", &wanted, nothing.clone(), "WEAKER"),
        ("none was read", &wanted, read(&[]), "WEAKER"),
        ("one that lets everything through", &wanted, read(&[&open]), "WEAKER"),
        ("one that only logs", &wanted, read(&[&logs]), "WEAKER"),
        ("another's call", &wanted, read(&[&fewer]), "WEAKER"),
        ("one that denies more", &wanted, read(&[&more]), "different"),
        ("the same and another", &wanted, read(&[&open, &meant]), "ok"),
        ("one that is there and not read", &wanted, unread, "not proven"),
        ("strict mode", &wanted, facts(SeccompMode::Strict, Reading::Known(vec![])), "tighter"),
        ("nothing meant, nothing there", &nothing, nothing.clone(), "ok"),
        ("nothing meant, one there", &nothing, read(&[&meant]), "tighter"),
    ] {
        assert_eq!(judge(expected, &seen).to_string(), verdict, "{shows}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is meant for a container's capabilities is what the compiled filter does.
    #[test]
    fn the_default_profile_is_compiled_for_the_container(bits in 0..1_u64 << 41, seed in any::<u64>()) {
        let target = target(&node(), CapabilitySet(bits));
        let profile = engine::default_profile();
        let filter = compile("RuntimeDefault", &profile, &target).unwrap();
        let rules = engine::resolve(&profile, &target).unwrap();
        let number = u32::try_from(seed % 470).unwrap();
        let call = engine::Call::new(Architecture::NATIVE, number).with([seed, seed >> 7, 0, 0, 0, 0]);
        let says = engine::interpret(&filter.program, &call).unwrap();
        prop_assert_eq!(says, evaluate(&rules, &call).return_value());
    }
}
