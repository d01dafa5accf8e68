use std::collections::BTreeMap;

use stockade_spec::Content;

use super::*;
use crate::testing::{pod, users_node, world};
use crate::world::Objects;

/// A ConfigMap `c` and a Secret `s` beside the pod.
fn furnished() -> World {
    let text = |key: &str, it: &str| (key.to_owned(), Content::Text(it.to_owned()));
    let c = BTreeMap::from([text("a", "1"), text("b", "2")]);
    let s = BTreeMap::from([text("p", "hunter2"), text("..x", "")]);
    let objects = Objects {
        config_maps: BTreeMap::from([("c".to_owned(), c)]),
        secrets: BTreeMap::from([("s".to_owned(), s)]),
    };
    World { objects, ..world() }
}

/// What a volume comes to, or why it is refused.
fn volume(fields: &str, world: &World) -> String {
    let pod = pod(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p, labels: {{a: b}}}}, spec: \
         {{securityContext: {{fsGroup: 7}}, volumes: [{{name: v, {fields}}}], containers: \
         [{{name: c, image: i, resources: {{limits: {{cpu: 1}}}}}}]}}}}"
    ));
    let mut findings = Findings::default();
    let all = resolve(&pod, pod.spec().unwrap(), world, &mut findings);
    if let Some(refusal) = findings.refusals.first() {
        let path = refusal.place.path.as_str().trim_start_matches("spec.volumes[0]");
        return format!("{path}: {}: {}", refusal.reason, refusal.why);
    }
    let Volume { name: _, kind, source, group } = &all[0].value;
    let files = |all: &[crate::volume::VolumeFile]| {
        let one = |it: &crate::volume::VolumeFile| {
            format!("{}={:o}:{}", it.path, it.mode, String::from_utf8_lossy(it.content.bytes()))
        };
        all.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    let source = match source {
        VolumeSource::Directory => "directory".to_owned(),
        VolumeSource::Memory { size } => format!("memory {size:?}"),
        VolumeSource::Host { path, kind } => format!("{path} {kind:?}"),
        VolumeSource::Files(all) => files(all),
    };
    let group = group.as_ref().map(|it| format!(", group {}", it.value)).unwrap_or_default();
    format!("{}: {source}{group}", kind.word())
}

#[test]
fn a_volume_is_what_its_source_says() {
    for (fields, expected) in [
        ("", "emptyDir: directory, group 7"),
        ("emptyDir: {}", "emptyDir: directory, group 7"),
        ("emptyDir: {medium: Memory}", "emptyDir in memory: memory None, group 7"),
        (
            "emptyDir: {medium: Memory, sizeLimit: 1Mi}",
            "emptyDir in memory: memory Some(1048576), group 7",
        ),
        ("hostPath: {path: /a}", "hostPath: /a Unset"),
        ("hostPath: {path: /a, type: FileOrCreate}", "hostPath: /a FileOrCreate"),
        ("configMap: {name: c}", "configMap: a=644:1 b=644:2, group 7"),
        (
            "configMap: {name: c, defaultMode: 0400, items: [{key: b, path: x/y}, {key: a, path: z, mode: 0600}]}",
            "configMap: x/y=400:2 z=600:1, group 7",
        ),
        ("configMap: {name: none, optional: true}", "configMap: , group 7"),
        (
            "secret: {secretName: s, optional: true, items: [{key: none, path: x}, {key: p, path: q}]}",
            "secret: q=644:hunter2, group 7",
        ),
        (
            "downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}, {path: c, resourceFieldRef: {containerName: c, resource: limits.cpu}}]}",
            "downwardAPI: c=644:1 l=644:a=\"b\", group 7",
        ),
        (
            "projected: {defaultMode: 0440, sources: [{configMap: {name: c}}, {secret: {name: s, items: [{key: p, path: a}]}}]}",
            "projected: a=440:hunter2 b=440:2, group 7",
        ),
    ] {
        assert_eq!(volume(fields, &furnished()), expected, "{fields}");
    }
}

#[test]
fn what_cannot_be_had_is_refused_by_name() {
    for (fields, expected) in [
        ("emptyDir: {sizeLimit: 1Mi}", ".emptyDir.sizeLimit: NotEnforced: "),
        ("emptyDir: {medium: HugePages}", ".emptyDir.medium: NotEnforced: "),
        (
            "hostPath: {path: a}",
            ".hostPath.path: CreateContainerConfigError: \"a\" is not an absolute",
        ),
        (
            "hostPath: {path: /a/../b}",
            ".hostPath.path: CreateContainerConfigError: must not contain",
        ),
        ("hostPath: {path: /a..b, type: Dir}", ".hostPath.type: CreateContainerConfigError: "),
        ("nfs: {server: s, path: /}", ".nfs: NotEnforced: `nfs` of a volume is not enforced"),
        (
            "emptyDir: {}, hostPath: {path: /a}",
            ": CreateContainerConfigError: may not specify more",
        ),
        (
            "configMap: {name: d}",
            ".configMap.name: CreateContainerConfigError: configmap \"d\" not found",
        ),
        (
            "secret: {secretName: c}",
            ".secret.secretName: CreateContainerConfigError: secret \"c\" not",
        ),
        (
            "configMap: {name: c, items: [{key: z, path: z}]}",
            ".configMap.items[0].key: CreateContainerConfigError: references non-existent config key: z",
        ),
        (
            "configMap: {name: c, items: [{key: a, path: ../z}]}",
            ".configMap.items[0].path: CreateContainerConfigError: \"../z\" must not contain '..'",
        ),
        (
            "configMap: {name: c, items: [{key: a, path: /z}]}",
            ".configMap.items[0].path: CreateContainerConfigError: \"/z\" must be a relative path",
        ),
        // The kubelet's own names begin like this.
        ("secret: {secretName: s}", ".secret: CreateContainerConfigError: \"..x\" must not start"),
        ("configMap: {name: c, defaultMode: 512}", ".configMap.defaultMode: CreateContainerConfig"),
        (
            "projected: {sources: [{serviceAccountToken: {path: t}}]}",
            ".projected.sources[0].serviceAccountToken: NotEnforced: ",
        ),
        (
            "downwardAPI: {items: [{path: x, fieldRef: {fieldPath: status.podIP}}]}",
            ".downwardAPI.items[0].fieldRef.fieldPath: CreateContainerConfigError: ",
        ),
        (
            "downwardAPI: {items: [{path: x, resourceFieldRef: {resource: limits.cpu}}]}",
            ".downwardAPI.items[0].resourceFieldRef: CreateContainerConfigError: a file has to say",
        ),
    ] {
        let found = volume(fields, &furnished());
        assert!(found.starts_with(expected), "{fields}: {found}");
    }
    let users = World { node: users_node(), ..world() };
    let found = volume("emptyDir: {medium: Memory}", &users);
    assert!(found.starts_with(".emptyDir.medium: Unsupported"), "{found}");
    assert_eq!(volume("emptyDir: {}", &users), "emptyDir: directory, group 7");
}
