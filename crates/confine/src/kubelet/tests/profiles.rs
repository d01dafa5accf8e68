use super::*;
use crate::testing::annotated;
use crate::world::SeccompDefault;

fn with_default(minor: u32) -> World {
    let seccomp_default = SeccompDefault::RuntimeDefault;
    World { node: Node { seccomp_default, ..at(minor).node }, ..world() }
}

/// A profile and its text, in one line.
fn seccomp(pod: &Pod, world: &World) -> String {
    match asked(pod, world) {
        Err(why) => why,
        Ok(Request { seccomp, seccomp_text, .. }) => format!(
            "{} {}",
            seccomp.map_or("-".to_owned(), |it| format!("{it:?}")),
            seccomp_text.map_or("-".to_owned(), |it| format!("{it:?}"))
        ),
    }
}

fn apparmor(pod: &Pod, world: &World) -> String {
    match asked(pod, world) {
        Err(why) => why,
        Ok(Request { apparmor, apparmor_text, .. }) => {
            format!("{} {apparmor_text:?}", apparmor.map_or("-".to_owned(), |it| format!("{it:?}")))
        }
    }
}

#[test]
fn a_seccomp_field_is_a_profile_and_until_1_27_a_text() {
    let path = "/var/lib/kubelet/seccomp/a";
    let local = format!("Localhost({path:?})");
    let text = format!("{:?}", format!("localhost/{path}"));
    let missing = "localhostProfile must be set if seccompProfile type is Localhost.";
    let none = "Unconfined \"\"";
    for (field, in_1_20, in_1_27, in_1_36) in [
        (
            "type: RuntimeDefault",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault -",
        ),
        (
            "type: RuntimeDefault, localhostProfile: x",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault -",
        ),
        (
            "type: Unconfined",
            "Unconfined \"unconfined\"",
            "Unconfined \"unconfined\"",
            "Unconfined -",
        ),
        (
            "type: Localhost, localhostProfile: a",
            &format!("{local} {text}"),
            &format!("{local} {text}"),
            &format!("{local} -"),
        ),
        ("type: Localhost", none, missing, missing),
        ("type: Localhost, localhostProfile: ''", none, missing, missing),
        ("type: Foo", none, none, "Unconfined -"),
        ("type: ''", none, none, "Unconfined -"),
    ] {
        let field = format!("seccompProfile: {{{field}}}");
        for pod in [secured(&field, ""), secured("", &field)] {
            assert_eq!(seccomp(&pod, &at(20)), in_1_20, "{field}");
            assert_eq!(seccomp(&pod, &at(24)), in_1_20, "{field}");
            assert_eq!(seccomp(&pod, &at(25)), in_1_27, "{field}");
            assert_eq!(seccomp(&pod, &at(27)), in_1_27, "{field}");
            assert_eq!(seccomp(&pod, &at(28)), in_1_36, "{field}");
            assert_eq!(seccomp(&pod, &at(36)), in_1_36, "{field}");
        }
    }
}

#[test]
fn the_path_of_a_seccomp_profile_is_clean() {
    for (name, path) in [
        ("a/b.json", "/var/lib/kubelet/seccomp/a/b.json"),
        ("/x", "/var/lib/kubelet/seccomp/x"),
        ("./x", "/var/lib/kubelet/seccomp/x"),
        ("a//./../b/", "/var/lib/kubelet/seccomp/b"),
        ("..a/b", "/var/lib/kubelet/seccomp/..a/b"),
        ("../x", "/var/lib/kubelet/x"),
        ("../../../../../x", "/x"),
        ("../../../..", "/"),
    ] {
        let field = format!("seccompProfile: {{type: Localhost, localhostProfile: {name:?}}}");
        let asked = asked(&secured(&field, ""), &at(36)).unwrap();
        assert_eq!(asked.seccomp, Some(SecurityProfile::Localhost(path.to_owned())), "{name}");
    }
}

#[test]
fn a_seccomp_annotation_is_a_text_until_1_24_and_never_a_profile() {
    let own = "container.seccomp.security.alpha.kubernetes.io/c";
    let shared = "seccomp.security.alpha.kubernetes.io/pod";
    for (text, sent) in [
        ("runtime/default", "runtime/default"),
        ("docker/default", "docker/default"),
        ("unconfined", "unconfined"),
        ("localhost/a", "localhost//var/lib/kubelet/seccomp/a"),
        ("localhost/", "localhost//var/lib/kubelet/seccomp"),
        ("localhost/../x", "localhost//var/lib/kubelet/x"),
        ("bogus", "bogus"),
        ("", ""),
    ] {
        for key in [own, shared] {
            let pod = annotated(&format!("{key}: {text:?}"), "", "");
            assert_eq!(seccomp(&pod, &at(18)), format!("- {sent:?}"), "{key}: {text}");
            assert_eq!(seccomp(&pod, &at(24)), format!("Unconfined {sent:?}"), "{key}: {text}");
            assert_eq!(seccomp(&pod, &at(25)), "Unconfined \"\"", "{key}: {text}");
            assert_eq!(seccomp(&pod, &at(28)), "Unconfined -", "{key}: {text}");
        }
    }
}

#[test]
fn a_seccomp_annotation_goes_before_the_field_of_the_pod_only() {
    let own = "container.seccomp.security.alpha.kubernetes.io/c: unconfined";
    let shared = "seccomp.security.alpha.kubernetes.io/pod: unconfined";
    let very_old = "security.alpha.kubernetes.io/seccomp/pod: unconfined";
    let other = "container.seccomp.security.alpha.kubernetes.io/d: unconfined";
    let field = "seccompProfile: {type: RuntimeDefault}";
    for (note, of_pod, of_container, expected) in [
        (own, "", field, "RuntimeDefault \"runtime/default\""),
        (own, field, "", "RuntimeDefault \"unconfined\""),
        (shared, field, "", "RuntimeDefault \"runtime/default\""),
        (shared, "", "", "Unconfined \"unconfined\""),
        (very_old, "", "", "Unconfined \"\""),
        (other, "", "", "Unconfined \"\""),
    ] {
        let pod = annotated(note, of_pod, of_container);
        assert_eq!(seccomp(&pod, &at(20)), expected, "{note} {of_pod} {of_container}");
    }
}

#[test]
fn seccomp_by_default_fills_in_what_is_not_said_since_1_22() {
    let pod = |own: &str| secured("", own);
    for (own, minor, expected) in [
        ("", 21, "Unconfined \"\""),
        ("", 22, "RuntimeDefault \"runtime/default\""),
        ("", 36, "RuntimeDefault -"),
        // Ignored by the runtime, not by the kubelet.
        ("privileged: true", 36, "RuntimeDefault -"),
        ("seccompProfile: {type: Unconfined}", 36, "Unconfined -"),
        ("seccompProfile: {type: Foo}", 36, "Unconfined -"),
        ("seccompProfile: {type: Localhost}", 23, "Unconfined \"runtime/default\""),
    ] {
        assert_eq!(seccomp(&pod(own), &with_default(minor)), expected, "v1.{minor} {own}");
    }
}

#[test]
fn an_apparmor_field_is_a_profile_since_1_30() {
    for (field, expected) in [
        ("type: RuntimeDefault", "RuntimeDefault \"runtime/default\""),
        ("type: RuntimeDefault, localhostProfile: a", "RuntimeDefault \"runtime/default\""),
        ("type: Unconfined", "Unconfined \"unconfined\""),
        ("type: Localhost, localhostProfile: ../a", "Localhost(\"../a\") \"localhost/../a\""),
        ("type: Localhost, localhostProfile: ''", "Localhost(\"\") \"localhost/\""),
        ("type: Localhost", "missing localhost apparmor profile name"),
        ("type: Foo", "unknown apparmor profile type: \"Foo\""),
        ("type: ''", "unknown apparmor profile type: \"\""),
    ] {
        let field = format!("appArmorProfile: {{{field}}}");
        for pod in [secured(&field, ""), secured("", &field)] {
            assert_eq!(apparmor(&pod, &at(30)), expected, "{field}");
            assert_eq!(apparmor(&pod, &at(29)), "- \"\"", "{field}");
        }
    }
}

#[test]
fn an_apparmor_annotation_is_sent_as_it_is_until_1_29_and_read_since() {
    let shared = "appArmorProfile: {type: RuntimeDefault}";
    let by_pod = "RuntimeDefault \"runtime/default\"";
    for (text, alone, beside) in [
        ("runtime/default", by_pod, by_pod),
        ("unconfined", "Unconfined \"unconfined\"", "Unconfined \"unconfined\""),
        ("localhost/a", "Localhost(\"a\") \"localhost/a\"", "Localhost(\"a\") \"localhost/a\""),
        ("localhost/", "Localhost(\"\") \"localhost/\"", "Localhost(\"\") \"localhost/\""),
        ("RuntimeDefault", "- \"\"", by_pod),
        ("docker/default", "- \"\"", by_pod),
        ("", "- \"\"", by_pod),
    ] {
        let note = format!("container.apparmor.security.beta.kubernetes.io/c: {text:?}");
        let pod = annotated(&note, "", "");
        assert_eq!(apparmor(&pod, &at(20)), format!("- {text:?}"), "{text}");
        assert_eq!(apparmor(&pod, &at(36)), alone, "{text}");
        assert_eq!(apparmor(&annotated(&note, shared, ""), &at(36)), beside, "{text}");
        let own = annotated(&note, "", "appArmorProfile: {type: Unconfined}");
        assert_eq!(apparmor(&own, &at(36)), "Unconfined \"unconfined\"", "{text}");
    }
}
