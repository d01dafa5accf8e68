use super::*;

#[test]
fn pods_containers_and_volumes_have_names() {
    let of = |metadata: &str, spec: &str| {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\n{spec}");
        messages(&text, Rules::HERE)
    };
    let one = "spec: {containers: [{name: c, image: i}]}";
    for (metadata, spec, expected) in [
        ("name: web-1.x, namespace: ns", one, &[] as &[&str]),
        ("", one, &["metadata.name: Required value: a pod needs a name"]),
        ("generateName: x-", one, &["metadata.name: Required value: a pod needs a name"]),
        ("name: x", "", &["spec: Required value", "spec.containers: Required value"]),
        ("name: x", "spec: {containers: []}", &["spec.containers: Required value"]),
        (
            "name: x",
            "spec: {containers: [{image: i}, {name: c}, {name: d, image: ' i'}]}",
            &[
                "spec.containers[0].name: Required value",
                "spec.containers[1].image: Required value",
                "spec.containers[2].image: Invalid value: \" i\": must not have leading or trailing whitespace",
            ],
        ),
        (
            "name: x",
            "spec: {initContainers: [{name: c, image: i}], containers: [{name: c, image: i}, {name: c, image: i}]}",
            &[
                "spec.containers[1].name: Duplicate value: \"c\"",
                "spec.initContainers[0].name: Duplicate value: \"c\"",
            ],
        ),
        (
            "name: x",
            "spec: {restartPolicy: never, containers: [{name: c, image: i}], ephemeralContainers: [{name: e, image: i}]}",
            &[
                "spec.ephemeralContainers: Forbidden: cannot be set on create",
                "spec.restartPolicy: Unsupported value: \"never\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ],
        ),
        (
            "name: x",
            "spec: {volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}], containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /a}, {name: w, mountPath: /a}, {name: v, mountPath: ''}]}]}",
            &[
                "spec.volumes[1].name: Duplicate value: \"v\"",
                "spec.containers[0].volumeMounts[1].name: Not found: \"w\"",
                "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique",
                "spec.containers[0].volumeMounts[2].mountPath: Required value",
            ],
        ),
    ] {
        assert_eq!(of(metadata, spec), expected, "{metadata} {spec}");
    }
    assert!(
        of("name: Web", one)[0].starts_with("metadata.name: Invalid value: \"Web\": a lowercase")
    );
    assert!(of("name: x, namespace: a.b", one)[0].starts_with("metadata.namespace: Invalid value"));
    let container = of("name: x", "spec: {containers: [{name: C, image: i}]}");
    assert!(container[0].contains("Invalid value: \"C\": a lowercase RFC 1123 label"));
}

#[test]
fn a_cluster_generates_names() {
    let text = |metadata: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nspec: {{containers: [{{name: c, image: i}}]}}"
        )
    };
    assert_eq!(messages(&text("generateName: x-"), ApiVersion(36)), [""; 0]);
    assert_eq!(
        messages(&text(""), ApiVersion(36)),
        ["metadata.name: Required value: name or generateName is required"]
    );
}

#[test]
fn annotations_have_a_size() {
    let of = |minor: u16, size: usize| {
        let text = text(&annotated("")).replace(
            "annotations: {}",
            &format!("annotations: {{k: \"{}\"}}", "x".repeat(size - 1)),
        );
        messages(&text, ApiVersion(minor))
    };
    assert_eq!(of(36, 262_144), [""; 0]);
    assert_eq!(
        of(36, 262_145),
        ["metadata.annotations: Too long: may not be more than 262144 bytes"]
    );
    assert_eq!(of(20, 262_145), ["metadata.annotations: Too long: must have at most 262144 bytes"]);
}

#[test]
fn faults_point_at_what_is_wrong() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  hostUsers: false\n  \
                hostPID: yes\n  containers:\n  - name: c\n    securityContext:\n      \
                seccompProfile:\n        type: Localhost\n";
    let parsed = parse("pod.yaml", text);
    let found: Vec<String> =
        parsed.mistakes(Rules::HERE).iter().map(|it| it.place.to_string()).collect();
    assert_eq!(
        found,
        [
            "spec.HostPID at pod.yaml:7:12",
            "spec.containers[0].image at pod.yaml:9:5",
            "spec.containers[0].securityContext.seccompProfile.localhostProfile at pod.yaml:11:7",
        ]
    );
}
