use proptest::prelude::*;

use super::*;
use crate::bundle;

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    example.com/owner: me
spec:
  hostNetwork: no
  securityContext:
    runAsUser: 1000
  initContainers:
  - name: first
    image: busybox
  containers:
  - name: app
    image: \"nginx\"
    command: [sh, -c]
    securityContext:
      capabilities: {drop: [ALL]}
  ephemeralContainers:
  - {name: look, image: busybox}
";

/// One line per finding: `error place: kind (hint)`.
fn told(text: &str) -> Vec<String> {
    let line = |it: &ManifestError| {
        let severity = if it.is_error() { "error" } else { "warning" };
        let hint = it.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{severity} {}: {}{hint}", it.place, it.kind)
    };
    parse("pod.yaml", text).findings.iter().map(line).collect()
}

fn pod(text: &str) -> Pod {
    let parsed = parse("pod.yaml", text);
    assert_eq!(parsed.findings, [], "{text}");
    parsed.pods().next().unwrap().clone()
}

/// `POD` with one line in place of another.
fn with(line: &str, instead: &str) -> String {
    assert!(POD.contains(line), "{line}");
    POD.replace(line, instead)
}

#[test]
fn a_pod_says_what_its_file_says() {
    let pod = pod(POD);
    assert_eq!((pod.name(), pod.namespace()), ("web", "default"));
    assert_eq!(pod.spec().unwrap().host_network, Some(false));
    assert_eq!(pod.security_context().unwrap().run_as_user, Some(1000));
    let containers: Vec<(String, ContainerList, &str)> =
        pod.containers().map(|it| (it.path.to_string(), it.list, it.name)).collect();
    assert_eq!(
        containers,
        [
            ("spec.initContainers[0]".to_owned(), ContainerList::Init, "first"),
            ("spec.containers[0]".to_owned(), ContainerList::Regular, "app"),
            ("spec.ephemeralContainers[0]".to_owned(), ContainerList::Ephemeral, "look"),
        ]
    );
    let app = pod.container("app").unwrap();
    assert_eq!(
        (app.image, app.command),
        (Some("nginx"), ["sh", "-c"].map(String::from).as_slice())
    );
    assert_eq!(pod.container("look").unwrap().image, Some("busybox"));
    assert!(pod.container("none").is_none());
}

#[test]
fn each_field_has_its_place() {
    let pod = pod(POD);
    for (path, value, key, point) in [
        ("metadata.name", "4:9", "4:3", "4:9"),
        ("metadata.annotations[example.com/owner]", "6:24", "6:5", "6:24"),
        ("spec.securityContext.runAsUser", "10:16", "10:5", "10:16"),
        // A block begins below its key.
        ("spec.securityContext", "10:5", "9:3", "9:3"),
        ("spec.containers[0]", "15:5", "15:5", "15:5"),
        ("spec.containers[0].image", "16:12", "16:5", "16:12"),
        ("spec.containers[0].securityContext.capabilities.drop[0]", "19:29", "19:29", "19:29"),
        // What is not in the file is near what is.
        ("spec.securityContext.runAsGroup", "10:5", "9:3", "9:3"),
        ("spec.hostPID", "8:3", "7:1", "7:1"),
        ("spec.containers[0].securityContext.runAsUser", "19:7", "18:5", "18:5"),
        ("status", "1:1", "1:1", "1:1"),
    ] {
        let path = FieldPath::from(path);
        let start = |place: Place| {
            assert_eq!(place.path, path);
            place.span.unwrap().start.to_string()
        };
        assert_eq!(start(pod.place(&path)), value, "value of {path}");
        assert_eq!(start(pod.key_place(&path)), key, "key of {path}");
        assert_eq!(start(pod.point_at(&path)), point, "point of {path}");
    }
    let image = pod.place(&"spec.containers[0].image".into());
    assert_eq!(&POD[image.span.unwrap().bytes()], "\"nginx\"");
    assert_eq!(image.to_string(), "spec.containers[0].image at pod.yaml:16:12");
}

#[test]
fn an_object_without_a_file_has_places_without_spans() {
    let pod = Pod::from_object(pod(POD).object, "the request");
    assert_eq!(pod.place(&"spec".into()).to_string(), "spec in the request");
}

#[test]
fn unknown_fields_are_judged_by_what_they_may_have_meant() {
    let in_context = |field: &str| with("    runAsUser: 1000\n", &format!("    {field}: 1\n"));
    let in_spec = |field: &str| with("  hostNetwork: no\n", &format!("  {field}: 1\n"));
    let in_container = |field: &str| with("    command: [sh, -c]\n", &format!("    {field}: 1\n"));
    for (text, expected) in [
        (
            in_context("runAsUsr"),
            "error spec.securityContext.runAsUsr at pod.yaml:10:5: unknown field `runAsUsr` (did you mean `runAsUser`?)",
        ),
        (
            in_context("colour"),
            "error spec.securityContext.colour at pod.yaml:10:5: unknown field `colour`",
        ),
        (
            in_context("privileged"),
            "error spec.securityContext.privileged at pod.yaml:10:5: unknown field `privileged` (`privileged` is a field of a container's `securityContext`)",
        ),
        (in_spec("colour"), "warning spec.colour at pod.yaml:8:3: unknown field `colour`"),
        (
            in_spec("restartPolcy"),
            "warning spec.restartPolcy at pod.yaml:8:3: unknown field `restartPolcy` (did you mean `restartPolicy`?)",
        ),
        (
            in_spec("HostPID"),
            "error spec.HostPID at pod.yaml:8:3: unknown field `HostPID` (did you mean `hostPID`?)",
        ),
        (
            in_spec("hostUser"),
            "error spec.hostUser at pod.yaml:8:3: unknown field `hostUser` (did you mean `hostUsers`?)",
        ),
        (
            in_spec("seccompProfile"),
            "error spec.seccompProfile at pod.yaml:8:3: unknown field `seccompProfile` (`seccompProfile` is a field of a `securityContext`)",
        ),
        (
            in_container("securityContex"),
            "error spec.containers[0].securityContex at pod.yaml:17:5: unknown field `securityContex` (did you mean `securityContext`?)",
        ),
        (
            in_container("readOnlyRootFileSystem"),
            "error spec.containers[0].readOnlyRootFileSystem at pod.yaml:17:5: unknown field `readOnlyRootFileSystem` (`readOnlyRootFileSystem` is a field of a container's `securityContext`)",
        ),
        (
            with("{drop: [ALL]}", "{drops: [ALL]}"),
            "error spec.containers[0].securityContext.capabilities.drops at pod.yaml:19:22: unknown field `drops` (did you mean `drop`?)",
        ),
        (
            with("metadata:\n", "metadata:\n  lables: {}\n"),
            "warning metadata.lables at pod.yaml:4:3: unknown field `lables` (did you mean `labels`?)",
        ),
        (
            with("kind: Pod", "kind: Pod\nSpec: {}"),
            "error Spec at pod.yaml:3:1: unknown field `Spec` (did you mean `spec`?)",
        ),
    ] {
        assert_eq!(told(&text), [expected], "{text}");
    }
}

#[test]
fn mistakes_outside_of_types_are_told_too() {
    for (text, expected) in [
        ("", "error pod.yaml:1:1: no object in this file"),
        ("# nothing\n---\n", "error pod.yaml:1:1: no object in this file"),
        (
            "just text",
            "error pod.yaml:1:1: expected an object with `apiVersion` and `kind`, found the string \"just text\"",
        ),
        ("apiVersion: v1\n", "error pod.yaml:1:1: missing field `kind`"),
        (
            "apiVersion: v1\nKind: Pod\n",
            "error Kind at pod.yaml:2:1: unknown field `Kind` (did you mean `kind`?)",
        ),
        (
            "apiVersion: 1\nkind: Pod\n",
            "error apiVersion at pod.yaml:1:13: expected a non-empty string, found the number `1` (put it in quotes)",
        ),
        (
            "apiVersion: v2\nkind: Pod\n",
            "error apiVersion at pod.yaml:1:13: there is no kind `Pod` in \"v2\", only in \"v1\"",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: 1\n",
            "error items at pod.yaml:3:8: expected a list, found the number `1`",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec:\n\thostPID: yes\n",
            "error pod.yaml:4:2: tabs disallowed within this context (block indentation) (indent with spaces)",
        ),
    ] {
        assert_eq!(told(text), [expected], "{text}");
    }
}

#[test]
fn lists_and_documents_are_flattened() {
    let one = |name: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}}}");
    let text = format!(
        "{}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\n---\n\
         apiVersion: v1\nkind: List\nitems:\n- {}\n- {{apiVersion: v1, kind: PodList, items: [{}]}}\n---\n\
         apiVersion: v1\nkind: PodList\nitems: [{{metadata: {{name: e}}}}]\n---\n{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"f\"}}}}\n",
        one("a"),
        one("b"),
        one("c"),
    );
    let parsed = parse("x.yaml", &text);
    assert_eq!(parsed.findings, []);
    let names: Vec<String> = parsed
        .manifests
        .iter()
        .map(|it| match it {
            Manifest::Pod(pod) => {
                let line = pod.place(&"metadata.name".into()).span.unwrap().start.line;
                format!("{} in {line}", pod.name())
            }
            Manifest::Data(data) => format!("{} {}", data.kind.kind(), data.name),
            Manifest::Other(other) => format!("{} {} at {}", other.kind, other.name, other.place),
        })
        .collect();
    assert_eq!(
        names,
        ["a in 1", "Deployment d at x.yaml:3:1", "b in 10", "c in 11", "e in 15", "f in 17"]
    );
}

#[test]
fn a_pod_with_an_error_is_not_handed_out_and_still_judged() {
    let text = with("runAsUser: 1000", "runAsUser: many\n    fsGroup: -1")
        .replace("name: app", "name: first");
    let parsed = parse("pod.yaml", &text);
    assert_eq!((parsed.pods().count(), parsed.is_usable()), (0, false));
    let mistakes: Vec<String> =
        parsed.mistakes(Rules::HERE).iter().map(ToString::to_string).collect();
    assert_eq!(
        mistakes,
        [
            "spec.securityContext.runAsUser: expected a whole number, found the string \"many\"",
            "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            "spec.initContainers[0].name: Duplicate value: \"first\"",
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ]
    );
}

#[test]
fn what_was_taken_out_is_not_missed() {
    let text = with("image: \"nginx\"", "image: 5");
    let mistakes = parse("pod.yaml", &text).mistakes(Rules::HERE);
    let images = mistakes.iter().filter(|it| it.place.path.as_str().ends_with(".image"));
    assert_eq!(images.count(), 1, "{mistakes:?}");
}

#[test]
fn a_key_that_is_set_twice_makes_a_pod_unusable() {
    let text = with("runAsUser: 1000", "runAsUser: 1000\n    runAsUser: 0");
    assert_eq!(
        told(&text),
        [
            "error spec.securityContext.runAsUser at pod.yaml:11:5: `runAsUser` is set twice, first in line 10; the last one counts (remove one of them)"
        ]
    );
    assert_eq!(parse("pod.yaml", &text).pods().count(), 0);
}

#[test]
fn a_warning_leaves_a_pod_usable() {
    let parsed = parse("pod.yaml", &with("  hostNetwork: no", "  colour: red"));
    assert_eq!((parsed.pods().count(), parsed.findings.len(), parsed.is_usable()), (1, 1, true));
}

proptest! {
    /// A pod whose bytes were changed at random never panics anything, and
    /// every place of a finding can be drawn.
    #[test]
    fn no_damage_panics(
        changes in prop::collection::vec((0..POD.len(), any::<u8>()), 0..6),
        cut in 0..POD.len(),
    ) {
        let mut bytes = POD.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let (head, tail) = bytes.split_at(cut);
        for bytes in [&bytes[..], head, tail] {
            let text = String::from_utf8_lossy(bytes);
            let parsed = parse("pod.yaml", &text);
            for mistake in parsed.mistakes(Rules::HERE) {
                let span = mistake.place.span.unwrap();
                prop_assert!(text.get(span.bytes()).is_some(), "{}", mistake.place);
                prop_assert!(span.start <= span.end);
                prop_assert!(!mistake.to_string().is_empty());
            }
            for pod in parsed.pods() {
                for container in pod.containers() {
                    pod.place(&container.path);
                }
            }
        }
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,300}") {
        parse("x", &text).mistakes(Rules::HERE);
        let bundle = bundle::parse("x", &text);
        prop_assert!(bundle.is_ok() || !bundle.unwrap_err().is_empty());
    }
}
