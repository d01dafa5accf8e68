use std::collections::BTreeMap;

use stockade_abi::Reading;

use super::*;

fn host(state: LsmState) -> AppArmorSupport {
    let profiles = ["a", "ns://a"].map(|it| (it.to_owned(), "enforce".to_owned()));
    AppArmorSupport { state, profiles: Reading::Known(BTreeMap::from(profiles)) }
}

/// The fields of `spec` before its containers, the context of `c`, and its annotation.
fn pod(shared: &str, own: &str, note: Option<&str>) -> Pod {
    let note = note.map_or(String::new(), |it| format!("annotations: {{{KEY}c: {it:?}}}"));
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p, {note}}}, spec: {{securityContext: \
         {{{shared}}}, containers: [{{name: c, image: i, securityContext: {{{own}}}}}]}}}}"
    );
    let parsed = stockade_spec::parse("pod.yaml", &text);
    parsed.pods().next().unwrap_or_else(|| panic!("{:?}", parsed.findings)).clone()
}

/// The answer in one word, or why not.
fn answer(pod: &Pod, minor: u32, state: LsmState) -> String {
    match kubelet(pod, minor, &host(state)) {
        Ok(Need::Required) => "required".to_owned(),
        Ok(Need::NotRequired) => "not required".to_owned(),
        Err(refusal) => {
            assert_eq!(refusal.reason, Reason::AppArmor);
            refusal.why.strip_prefix("Cannot enforce AppArmor: ").unwrap().to_owned()
        }
    }
}

#[test]
fn any_profile_but_unconfined_needs_a_kernel_with_apparmor() {
    let run = "appArmorProfile: {type: RuntimeDefault}";
    let none = "appArmorProfile: {type: Unconfined}";
    for (minor, shared, own, note, is_required) in [
        (36, "", "", None, false),
        (36, none, none, None, false),
        (36, run, "", None, true),
        // Though it amounts to none.
        (36, run, none, None, true),
        (36, none, run, None, true),
        (36, none, none, Some("runtime/default"), true),
        (36, "", "", Some("unconfined"), false),
        (36, run, "", Some("unconfined"), true),
        (36, "", "", Some(""), true),
        (36, "", "", Some("bogus"), true),
        (36, "appArmorProfile: {type: ''}", "", None, true),
        (29, run, run, None, false),
        (20, "", "", Some("unconfined"), false),
        (20, "", "", Some(""), true),
        (20, "", "", Some("localhost/a"), true),
    ] {
        let pod = pod(shared, own, note);
        let (with, without) = if is_required {
            ("required", "AppArmor is not enabled on the host")
        } else {
            ("not required", "not required")
        };
        let said = format!("v1.{minor} {shared} {own} {note:?}");
        assert_eq!(answer(&pod, minor, LsmState::Inactive), without, "{said}");
        if minor >= 30 || note != Some("bogus") {
            assert_eq!(answer(&pod, minor, LsmState::Active), with, "{said}");
        }
    }
}

#[test]
fn mixed_annotations_need_it_whatever_their_order() {
    for (first, second) in [("unconfined", "runtime/default"), ("runtime/default", "unconfined")] {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p, annotations: {{{KEY}a: {first}, \
             {KEY}b: {second}}}}}, spec: {{containers: [{{name: a, image: i}}, {{name: b, image: \
             i}}]}}}}"
        );
        let parsed = stockade_spec::parse("pod.yaml", &text);
        let pod = parsed.pods().next().unwrap();
        assert_eq!(answer(pod, 36, LsmState::Inactive), "AppArmor is not enabled on the host");
    }
}

#[test]
fn an_annotation_is_checked_as_its_version_does() {
    for (note, in_1_23, in_1_24, in_1_30) in [
        ("localhost/a", "required", "required", "required"),
        ("localhost/ns://a", "required", "required", "required"),
        ("localhost/b", "profile \"b\" is not loaded", "required", "required"),
        (
            "localhost/",
            "profile \"\" is not loaded",
            "invalid empty AppArmor profile name: \"localhost/\"",
            "invalid empty AppArmor profile name: \
             \"&AppArmorProfile{Type:Localhost,LocalhostProfile:*,}\"",
        ),
        (
            "localhost/ ",
            "profile \" \" is not loaded",
            "invalid empty AppArmor profile name: \"localhost/ \"",
            "invalid empty AppArmor profile name: \
             \"&AppArmorProfile{Type:Localhost,LocalhostProfile:* ,}\"",
        ),
        (
            "bogus",
            "invalid AppArmor profile name: \"bogus\"",
            "invalid AppArmor profile name: \"bogus\"",
            "required",
        ),
        ("", "required", "required", "required"),
        ("runtime/default", "required", "required", "required"),
    ] {
        let pod = pod("", "", Some(note));
        for (minor, expected) in [
            (20, in_1_23),
            (23, in_1_23),
            (24, in_1_24),
            (29, in_1_24),
            (30, in_1_30),
            (37, in_1_30),
        ] {
            assert_eq!(answer(&pod, minor, LsmState::Active), expected, "v1.{minor} {note:?}");
        }
    }
}

#[test]
fn a_field_must_name_a_profile_if_it_is_the_one_in_force() {
    let unnamed = "appArmorProfile: {type: Localhost}";
    let blank = "appArmorProfile: {type: Localhost, localhostProfile: ' '}";
    let named = "appArmorProfile: {type: Localhost, localhostProfile: b}";
    let shown = |name: &str| {
        format!(
            "invalid empty AppArmor profile name: \
             \"&AppArmorProfile{{Type:Localhost,LocalhostProfile:{name},}}\""
        )
    };
    for (shared, own, note, expected) in [
        ("", unnamed, None, shown("nil")),
        (unnamed, "", None, shown("nil")),
        ("", blank, None, shown("* ")),
        (blank, named, None, "required".to_owned()),
        (blank, "", Some("localhost/a"), "required".to_owned()),
        (blank, "", Some("bogus"), shown("* ")),
        // Whether it is loaded, the runtime says.
        ("", named, None, "required".to_owned()),
        ("", "appArmorProfile: {type: Foo}", None, "required".to_owned()),
    ] {
        let found = answer(&pod(shared, own, note), 36, LsmState::Active);
        assert_eq!(found, expected, "{shared} {own} {note:?}");
    }
}

#[test]
fn a_refusal_points_at_what_asks_for_the_profile() {
    let run = "appArmorProfile: {type: RuntimeDefault}";
    let own = "spec.containers[0].securityContext.appArmorProfile";
    for (shared, of_container, note, path) in [
        (run, "", None, "spec.securityContext.appArmorProfile"),
        ("", run, None, own),
        (
            "",
            "",
            Some("runtime/default"),
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]",
        ),
    ] {
        let pod = pod(shared, of_container, note);
        let refusal = kubelet(&pod, 36, &host(LsmState::Inactive)).unwrap_err();
        assert_eq!(refusal.place.path.as_str(), path);
    }
}
