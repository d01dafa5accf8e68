use stockade_confine::Reason;
use stockade_spec::{FieldPath, Rules, parse};

use super::*;

fn drawn(text: &str, diagnostics: impl IntoIterator<Item = Diagnostic>) -> String {
    let mut texts = Texts::default();
    texts.insert("pod.yaml", text);
    let drawn: Vec<String> =
        diagnostics.into_iter().map(|it| texts.draw_with(&it, Renderer::plain())).collect();
    drawn.join("\n\n")
}

fn mistakes(text: &str) -> String {
    let parsed = parse("pod.yaml", text);
    let mistakes = parsed.mistakes(Rules::HERE);
    drawn(text, mistakes.iter().map(Diagnostic::from))
}

#[test]
fn a_mistake_is_shown_in_its_line_with_what_to_do() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  containers:
  - name: a
    image: b
    securityContext:
      runAsNonroot: true
";
    let expected = "\
error: spec.containers[0].securityContext.runAsNonroot: unknown field `runAsNonroot`
 --> pod.yaml:9:7
  |
9 |       runAsNonroot: true
  |       ^^^^^^^^^^^^
  |
  = help: did you mean `runAsNonRoot`?";
    assert_eq!(mistakes(text), expected);
}

#[test]
fn a_refusal_has_the_kubelet_s_word_and_its_field() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  securityContext:
    sysctls:
    - {name: kernel.msgmax, value: \"1\"}
  containers: [{name: a, image: b}]
";
    let parsed = parse("pod.yaml", text);
    let pod = parsed.pods().next().unwrap();
    let refusal = Refusal {
        reason: Reason::SysctlForbidden,
        place: pod.place(&FieldPath::from("spec.securityContext.sysctls[0].name")),
        why: "forbidden sysctl: \"kernel.msgmax\" not allowlisted".to_owned(),
        hint: Some("ask the administrator".to_owned()),
    };
    let expected = "\
error: SysctlForbidden: forbidden sysctl: \"kernel.msgmax\" not allowlisted
 --> pod.yaml:7:14
  |
7 |     - {name: kernel.msgmax, value: \"1\"}
  |              ^^^^^^^^^^^^^ spec.securityContext.sysctls[0].name
  |
  = help: ask the administrator";
    assert_eq!(drawn(text, [Diagnostic::from(&refusal)]), expected);
}

#[test]
fn what_has_no_line_still_has_its_file() {
    let warning = |origin| Diagnostic::from(&Warning { origin, what: "is old".to_owned() });
    let nowhere = Place { path: "spec.x".into(), file: "other.yaml".into(), span: None };
    for (diagnostic, expected) in [
        (
            warning(Origin::Declared(nowhere.clone())),
            "warning: spec.x: is old\n |\n = note: spec.x in other.yaml",
        ),
        (warning(Origin::Node("--x".to_owned())), "warning: node setting --x: is old"),
        (
            Diagnostic::refusal("ErrImagePull", nowhere, "no\x1b[2J\nway"),
            "error: ErrImagePull: no\\u{1b}[2J\\nway\n |\n = note: spec.x in other.yaml",
        ),
    ] {
        assert_eq!(drawn("", [diagnostic]), expected);
    }
}

#[test]
fn nothing_of_a_manifest_reaches_the_terminal_as_it_is() {
    for text in [
        "kind: \"\x1b[2Jx\"\n",
        "\u{202e}: 1\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\u{2066}\x07\"}\nspec: {}\n",
        "a: b\r\n\rc: [\x1b]1337;x\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"\u{9b}1m\": 1}",
    ] {
        let drawn = mistakes(text);
        assert!(!drawn.is_empty());
        let bad = drawn.chars().find(|it| *it != '\n' && plain(&it.to_string()) != it.to_string());
        assert_eq!(bad, None, "{text:?}: {drawn:?}");
    }
}

#[test]
fn an_excerpt_is_one_line_with_the_range_in_it() {
    let text = "one\r\ntwo é three\nfour\u{9b}\n";
    for (range, line, expected) in [
        (0..3, 1, Some(("one", 0..3))),
        (0..9, 1, Some(("one", 0..3))),
        (4..5, 1, Some(("one", 3..3))),
        (5..8, 2, Some(("two é three", 0..3))),
        (12..17, 2, Some(("two é three", 7..12))),
        (18..22, 3, Some(("four\u{fffd}", 0..4))),
        (22..24, 3, Some(("four\u{fffd}", 4..7))),
        (24..24, 3, Some(("four\u{fffd}", 7..7))),
        (99..100, 9, None),
        (10..12, 2, None),
    ] {
        let found = excerpt(text, range.clone(), line);
        let found = found.as_ref().map(|it| (it.text.as_str(), it.range.clone()));
        assert_eq!(found, expected, "{range:?}");
    }
}
