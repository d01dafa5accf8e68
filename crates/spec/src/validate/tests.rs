mod apparmor;
mod contexts;
mod names;
mod seccomp;
mod sysctls;

use super::*;
use crate::manifest::parse;

/// Annotations, `spec` and the container's fields, each in flow style.
struct Case {
    annotations: &'static str,
    spec: &'static str,
    container: &'static str,
}

fn text(case: &Case) -> String {
    let Case { annotations, spec, container, .. } = case;
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: pod, annotations: {{{annotations}}}}}\n\
         spec: {{{spec}containers: [{{name: c, image: i, {container}}}]}}\n"
    )
}

fn messages(text: &str, rules: impl Into<Rules>) -> Vec<String> {
    let parsed = parse("pod.yaml", text);
    assert_eq!(parsed.findings, [], "{text}");
    let pod = parsed.pods().next().unwrap();
    validate(pod, rules).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(rows: &[(u16, &'static str, &[&str])], case: impl Fn(&'static str) -> Case) {
    for (minor, written, expected) in rows {
        let text = text(&case(written));
        assert_eq!(messages(&text, ApiVersion(*minor)), *expected, "v1.{minor} {written}");
    }
}

fn annotated(annotations: &'static str) -> Case {
    Case { annotations, spec: "", container: "" }
}

fn spec(spec: &'static str) -> Case {
    Case { annotations: "", spec, container: "" }
}

fn container(container: &'static str) -> Case {
    Case { annotations: "", spec: "", container }
}
