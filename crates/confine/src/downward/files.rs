//! What a file of the downward API holds.

use std::collections::BTreeMap;

use stockade_spec::Pod;

use super::field_of_variable;
use crate::world::World;

/// A field, as a file shows it: labels and annotations as a whole, too.
pub(crate) fn field_of_file(pod: &Pod, world: &World, path: &str) -> Result<String, String> {
    match path {
        "metadata.labels" => Ok(listed(pod.object.metadata.labels.as_ref())),
        "metadata.annotations" => Ok(listed(Some(pod.annotations()))),
        "spec.nodeName"
        | "spec.serviceAccountName"
        | "status.hostIP"
        | "status.hostIPs"
        | "status.podIP"
        | "status.podIPs" => Err(format!("`{path}` is no field that a file can have")),
        _ => field_of_variable(pod, world, path),
    }
}

/// `key="value"`, one a line.
fn listed(all: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> =
        all.into_iter().flatten().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// As Go's `strconv.Quote` writes it, but for letters outside ASCII, which stay.
fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            it if it.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(it))),
            it => out.push(it),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{pod, world};

    #[test]
    fn files_show_labels_as_a_whole_and_variables_do_not() {
        let pod =
            pod("{apiVersion: v1, kind: Pod, metadata: {name: p, uid: u, labels: {b: '2', a: \
                       \"x\\n\\\"y\\\"\"}}, spec: {containers: [{name: c, image: i}]}}");
        for (path, expected) in [
            ("metadata.labels", Ok("a=\"x\\n\\\"y\\\"\"\nb=\"2\"")),
            ("metadata.annotations", Ok("")),
            ("metadata.labels['b']", Ok("2")),
            ("metadata.uid", Ok("u")),
            ("spec.nodeName", Err(())),
            ("metadata.labels['']", Err(())),
            ("metadata.labels[b]", Err(())),
            ("metadata", Err(())),
        ] {
            let found = field_of_file(&pod, &world(), path);
            assert_eq!(found.as_deref().map_err(|_| ()), expected, "{path}");
        }
    }
}
