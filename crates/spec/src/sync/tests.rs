use super::*;
use crate::manifest::parse;
use crate::patch::difference;
use serde_json::{Value, json};

const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/c";
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/c";

/// Annotations, the pod's security context, that of the container `c` and more of `spec`.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    annotations: &'a [(&'a str, &'a str)],
    shared: &'a str,
    own: &'a str,
    spec: &'a str,
}

impl Said<'_> {
    fn pod(self) -> Pod {
        let Said { annotations, shared, own, spec } = self;
        let annotations: Vec<String> =
            annotations.iter().map(|(key, value)| format!("{key}: {value:?}")).collect();
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{}}}\n\
             spec: {{securityContext: {{{shared}}}, {spec}containers: [{{name: c, image: i{}}}]}}\n",
            match annotations.join(", ") {
                all if all.is_empty() => all,
                all => format!(", annotations: {{{all}}}"),
            },
            if own.is_empty() { String::new() } else { format!(", securityContext: {{{own}}}") },
        );
        let parsed = parse("pod.yaml", &text);
        parsed.pods().next().unwrap_or_else(|| panic!("{:?}\n{text}", parsed.findings)).clone()
    }

    #[track_caller]
    fn check(self, minors: &[u16], operations: &Value, warned: &[&str]) {
        let pod = self.pod();
        for minor in minors {
            let Synced { pod: synced, warnings } = sync(&pod, ApiVersion(*minor));
            let done = json!(difference(&pod.object, &synced.object).unwrap());
            assert_eq!(done, *operations, "v1.{minor} {:?}", pod.object);
            let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            let expected: Vec<String> = warned.iter().map(|key| warning(key)).collect();
            assert_eq!(told, expected, "v1.{minor} {:?}", pod.object);
        }
    }
}

fn warning(key: &str) -> String {
    format!(
        "metadata.annotations[{key}]: deprecated since v1.30; use the \"appArmorProfile\" field \
         instead"
    )
}

fn add(path: &str, value: Value) -> Value {
    json!([{"op": "add", "path": path, "value": value}])
}

#[test]
fn a_seccomp_annotation_becomes_a_field_from_1_19_to_1_26() {
    let profile = |kind: &str| json!({"type": kind});
    let local = |name: &str| json!({"type": "Localhost", "localhostProfile": name});
    for (text, field) in [
        ("runtime/default", Some(profile("RuntimeDefault"))),
        ("docker/default", Some(profile("RuntimeDefault"))),
        ("unconfined", Some(profile("Unconfined"))),
        ("localhost/a/b", Some(local("a/b"))),
        // What is wrong with it is validation's to say.
        ("localhost/../x", Some(local("../x"))),
        ("localhost/", None),
        ("RuntimeDefault", None),
        ("Unconfined", None),
        ("", None),
    ] {
        let of_pod =
            field.clone().map_or(json!([]), |it| add("/spec/securityContext/seccompProfile", it));
        let own = field.map_or(json!([]), |it| {
            add("/spec/containers/0/securityContext", json!({"seccompProfile": it}))
        });
        for (key, operations) in [(POD, of_pod), (CONTAINER, own)] {
            let said = Said { annotations: &[(key, text)], ..Said::default() };
            said.check(&[19, 24, 25, 26], &operations, &[]);
            said.check(&[18, 27, 37], &json!([]), &[]);
        }
    }
}

#[test]
fn a_seccomp_field_becomes_an_annotation_from_1_19_to_1_24() {
    for (field, text) in [
        ("type: RuntimeDefault", Some("runtime/default")),
        ("type: Unconfined", Some("unconfined")),
        ("type: Localhost, localhostProfile: a", Some("localhost/a")),
        ("type: Localhost, localhostProfile: ''", Some("localhost/")),
        ("type: Localhost", None),
        ("type: Foo", None),
        ("type: ''", None),
    ] {
        let field = format!("seccompProfile: {{{field}}}");
        let of_pod = Said { shared: &field, ..Said::default() };
        let own = Said { own: &field, ..Said::default() };
        for (said, key) in [(of_pod, POD), (own, CONTAINER)] {
            let operations =
                text.map_or(json!([]), |it| add("/metadata/annotations", json!({key: it})));
            said.check(&[19, 24], &operations, &[]);
            said.check(&[18, 25, 26, 27, 37], &json!([]), &[]);
        }
    }
}

#[test]
fn the_pods_seccomp_and_a_containers_are_copied_each_by_itself() {
    let said = Said {
        annotations: &[(POD, "unconfined"), ("other", "x")],
        own: "seccompProfile: {type: RuntimeDefault}",
        ..Said::default()
    };
    let to_field = json!({"op": "add", "path": "/spec/securityContext/seccompProfile", "value": {"type": "Unconfined"}});
    let key = "container.seccomp.security.alpha.kubernetes.io~1c";
    let path = format!("/metadata/annotations/{key}");
    let to_annotation = json!({"op": "add", "path": path, "value": "runtime/default"});
    said.check(&[24], &json!([to_annotation, to_field]), &[]);
    said.check(&[25], &json!([to_field]), &[]);

    let both = Said {
        annotations: &[(POD, "unconfined"), (CONTAINER, "localhost/a")],
        shared: "seccompProfile: {type: RuntimeDefault}",
        own: "seccompProfile: {type: Localhost, localhostProfile: b}",
        ..Said::default()
    };
    both.check(&[19, 25, 37], &json!([]), &[]);

    let of_none = Said {
        annotations: &[("container.seccomp.security.alpha.kubernetes.io/zz", "unconfined")],
        ..Said::default()
    };
    of_none.check(&[19, 25], &json!([]), &[]);
}

#[test]
fn an_apparmor_annotation_becomes_a_field_since_1_30_with_a_warning() {
    let longest = "x".repeat(4095);
    let local = |name: &str| json!({"type": "Localhost", "localhostProfile": name});
    let rows = [
        ("runtime/default".to_owned(), Some(json!({"type": "RuntimeDefault"}))),
        ("unconfined".to_owned(), Some(json!({"type": "Unconfined"}))),
        ("localhost/ns://a".to_owned(), Some(local("ns://a"))),
        (format!("localhost/{longest}"), Some(local(&longest))),
        (format!("localhost/{longest}x"), None),
        ("localhost/".to_owned(), None),
        ("localhost/ a".to_owned(), None),
        ("docker/default".to_owned(), None),
        (String::new(), None),
    ];
    for (text, field) in rows {
        let said = Said { annotations: &[(APPARMOR, &text)], ..Said::default() };
        let operations = field.map_or(json!([]), |it| {
            add("/spec/containers/0/securityContext", json!({"appArmorProfile": it}))
        });
        said.check(&[30, 33, 34, 37], &operations, &[APPARMOR]);
        said.check(&[29, 20], &json!([]), &[]);
    }
}

#[test]
fn an_apparmor_annotation_that_a_field_goes_before_or_repeats_is_not_copied() {
    let run = "appArmorProfile: {type: RuntimeDefault}";
    let unconfined = json!({"appArmorProfile": {"type": "Unconfined"}});
    let changed = add("/spec/containers/0/securityContext", unconfined);
    for (text, shared, own, operations, warned) in [
        ("runtime/default", run, "", json!([]), false),
        ("unconfined", run, "", changed, true),
        ("unconfined", "", run, json!([]), false),
        ("bogus", "", run, json!([]), false),
        ("bogus", run, "", json!([]), true),
        (
            "localhost/a",
            "appArmorProfile: {type: Localhost, localhostProfile: a}",
            "",
            json!([]),
            false,
        ),
    ] {
        let said = Said { annotations: &[(APPARMOR, text)], shared, own, spec: "" };
        let keys: &[&str] = if warned { &[APPARMOR] } else { &[] };
        said.check(&[30, 34, 37], &operations, keys);
        let windows = Said { spec: "os: {name: windows}, ", ..said };
        windows.check(&[30, 37], &json!([]), &[]);
        let linux = Said { spec: "os: {name: linux}, ", ..said };
        linux.check(&[37], &operations, keys);
    }
}

#[test]
fn the_apparmor_field_in_force_becomes_an_annotation_from_1_30_to_1_33() {
    let local = "appArmorProfile: {type: Localhost, localhostProfile: a}";
    let unconfined = "appArmorProfile: {type: Unconfined}";
    for (shared, own, text) in [
        (local, "", Some("localhost/a")),
        ("", local, Some("localhost/a")),
        (local, unconfined, Some("unconfined")),
        ("", "appArmorProfile: {type: RuntimeDefault}", Some("runtime/default")),
        ("", "appArmorProfile: {type: Localhost}", None),
        ("", "appArmorProfile: {type: Foo}", None),
        (local, "appArmorProfile: {type: Foo}", None),
        ("", "", None),
    ] {
        let said = Said { shared, own, ..Said::default() };
        let operations =
            text.map_or(json!([]), |it| add("/metadata/annotations", json!({APPARMOR: it})));
        said.check(&[30, 33], &operations, &[]);
        said.check(&[29, 34, 37], &json!([]), &[]);
    }
}

#[test]
fn containers_of_all_lists_are_synced_in_their_order() {
    let key = |name: &str| format!("container.apparmor.security.beta.kubernetes.io/{name}");
    let (first, regular, last) = (key("a"), key("c"), key("z"));
    let said = Said {
        annotations: &[(&last, "unconfined"), (&regular, "unconfined"), (&first, "bogus")],
        spec: "initContainers: [{name: z, image: i}], ephemeralContainers: [{name: a, image: i}], ",
        ..Said::default()
    };
    let context = json!({"appArmorProfile": {"type": "Unconfined"}});
    let operations = json!([
        {"op": "add", "path": "/spec/containers/0/securityContext", "value": context},
        {"op": "add", "path": "/spec/initContainers/0/securityContext", "value": context},
    ]);
    said.check(&[36], &operations, &[&last, &regular, &first]);
}

#[test]
fn a_context_that_is_not_there_is_made_and_one_that_is_there_is_kept() {
    let text = "{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {
        seccomp.security.alpha.kubernetes.io/pod: unconfined,
        container.seccomp.security.alpha.kubernetes.io/c: unconfined}},
        spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}}";
    let parsed = parse("pod.yaml", text);
    let pod = parsed.pods().next().unwrap();
    let synced = sync(pod, ApiVersion(25)).pod;
    let profile = json!({"type": "Unconfined"});
    assert_eq!(
        json!(difference(&pod.object, &synced.object).unwrap()),
        json!([
            {"op": "add", "path": "/spec/containers/0/securityContext/seccompProfile", "value": profile},
            {"op": "add", "path": "/spec/securityContext", "value": {"seccompProfile": profile}},
        ])
    );
}

#[test]
fn a_warning_points_at_the_annotation() {
    let said = Said { annotations: &[(APPARMOR, "unconfined")], ..Said::default() };
    let place = sync(&said.pod(), ApiVersion(36)).warnings[0].place.clone();
    assert_eq!(place.span.unwrap().start.line, 3);
}

#[test]
fn what_is_synced_stays_as_it_is_and_keeps_what_was_said() {
    let texts = ["", "runtime/default", "unconfined", "localhost/a", "localhost/", "bogus"];
    let profiles = [
        "",
        "{type: RuntimeDefault}",
        "{type: Unconfined}",
        "{type: Localhost, localhostProfile: a}",
        "{type: Foo}",
    ];
    let field = |profile: &str| match profile {
        "" => String::new(),
        it => format!("seccompProfile: {it}, appArmorProfile: {it}"),
    };
    for (text, shared, own) in texts
        .iter()
        .flat_map(|text| profiles.iter().map(move |shared| (text, shared)))
        .flat_map(|(text, shared)| profiles.iter().map(move |own| (text, shared, own)))
    {
        let (shared, own) = (field(shared), field(own));
        let all = [(POD, *text), (CONTAINER, *text), (APPARMOR, *text)];
        let annotations: &[_] = if text.is_empty() { &[] } else { &all };
        let pod = Said { annotations, shared: &shared, own: &own, spec: "" }.pod();
        for minor in [18, 19, 24, 25, 26, 27, 29, 30, 33, 34, 37] {
            let once = sync(&pod, ApiVersion(minor)).pod;
            let twice = sync(&once, ApiVersion(minor)).pod;
            assert_eq!(once.object, twice.object, "v1.{minor} {text} {shared} {own}");
            let done = json!(difference(&pod.object, &once.object).unwrap());
            let only_adds = done.as_array().unwrap().iter().all(|it| it["op"] == "add");
            assert!(only_adds, "v1.{minor} {text} {shared} {own}: {done}");
        }
    }
}
