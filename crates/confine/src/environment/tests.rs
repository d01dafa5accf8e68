use super::*;
use crate::RestartDefault;
use crate::testing::{pod, world};
use crate::world::{Objects, World};

#[test]
fn variables_are_filled_in() {
    let known = BTreeMap::from([("A", "1"), ("EMPTY", "")]);
    for (text, expected) in [
        ("x$(A)y", "x1y"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(EMPTY)", ""),
        ("$A", "$A"),
        ("a$", "a$"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ] {
        assert_eq!(expand(text, &known), expected, "{text}");
    }
}

/// A ConfigMap `c` and a Secret `s` beside the pod.
fn furnished() -> World {
    let text = |it: &str| Content::Text(it.to_owned());
    let c = [("k", text("v$(A)")), ("1x", text("one")), ("b", Content::Bytes(vec![255]))];
    let s = [("p", text("hunter2")), ("raw", Content::Bytes(vec![255]))];
    let keyed = |all: &[(&str, Content)]| {
        all.iter().map(|(key, it)| ((*key).to_owned(), it.clone())).collect::<BTreeMap<_, _>>()
    };
    let objects = Objects {
        config_maps: BTreeMap::from([("c".to_owned(), keyed(&c))]),
        secrets: BTreeMap::from([("s".to_owned(), keyed(&s))]),
    };
    World { objects, ..world() }
}

/// What a container's fields make of its variables, or why it is refused.
fn variables(fields: &str) -> (String, Vec<String>) {
    let pod = pod(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: ns, labels: {{a: b}}, \
         annotations: {{x/y: z}}}}, spec: {{containers: [{{name: c, image: i, command: [x], \
         resources: {{limits: {{cpu: 1500m, memory: 64Mi}}}}, {fields}}}]}}}}"
    ));
    match crate::resolve(&pod, &furnished(), RestartDefault::Never) {
        Err(refusals) => {
            let all: Vec<String> =
                refusals.iter().map(|it| format!("{}: {}", it.place.path, it.why)).collect();
            (all.join("; "), Vec::new())
        }
        Ok(resolved) => {
            let all = resolved.containers[0].workload.environment.iter();
            let own = all.filter(|it| !it.starts_with("PATH=") && !it.starts_with("HOSTNAME="));
            let warnings = resolved.warnings.iter().map(|it| it.what.clone()).collect();
            (own.cloned().collect::<Vec<_>>().join(" "), warnings)
        }
    }
}

#[test]
fn values_come_from_where_they_are_said_to() {
    let from = |source: &str| format!("env: [{{name: V, valueFrom: {{{source}}}}}]");
    for (source, expected) in [
        ("fieldRef: {fieldPath: metadata.name}", "V=p"),
        ("fieldRef: {fieldPath: metadata.namespace}", "V=ns"),
        ("fieldRef: {fieldPath: \"metadata.labels['a']\"}", "V=b"),
        ("fieldRef: {fieldPath: \"metadata.labels['none']\"}", "V="),
        ("fieldRef: {fieldPath: \"metadata.annotations['x/y']\"}", "V=z"),
        ("fieldRef: {fieldPath: spec.nodeName}", "V=node"),
        ("fieldRef: {fieldPath: spec.serviceAccountName}", "V=default"),
        ("resourceFieldRef: {resource: limits.cpu}", "V=2"),
        ("resourceFieldRef: {resource: limits.cpu, divisor: 1m}", "V=1500"),
        ("resourceFieldRef: {resource: limits.memory, divisor: 1Mi}", "V=64"),
        ("resourceFieldRef: {resource: requests.memory}", "V=67108864"),
        ("configMapKeyRef: {name: c, key: k}", "V=v$(A)"),
        ("configMapKeyRef: {name: none, key: k, optional: true}", ""),
        ("configMapKeyRef: {name: c, key: none, optional: true}", ""),
        ("secretKeyRef: {name: s, key: p}", "V=hunter2"),
    ] {
        assert_eq!(variables(&from(source)).0, expected, "{source}");
    }
}

#[test]
fn what_is_not_there_is_refused_in_the_kubelets_words() {
    let at = "spec.containers[0].env[0].valueFrom";
    for (source, field, expected) in [
        (
            "configMapKeyRef: {name: d, key: k}",
            ".configMapKeyRef.name",
            "configmap \"d\" not found",
        ),
        // A Secret is not a ConfigMap, nor the other way round.
        (
            "configMapKeyRef: {name: s, key: p}",
            ".configMapKeyRef.name",
            "configmap \"s\" not found",
        ),
        ("secretKeyRef: {name: c, key: k}", ".secretKeyRef.name", "secret \"c\" not found"),
        (
            "configMapKeyRef: {name: c, key: z}",
            ".configMapKeyRef.key",
            "couldn't find key z in ConfigMap ns/c",
        ),
        // `binaryData` is not for variables.
        (
            "configMapKeyRef: {name: c, key: b}",
            ".configMapKeyRef.key",
            "couldn't find key b in ConfigMap ns/c",
        ),
        (
            "secretKeyRef: {name: s, key: z, optional: false}",
            ".secretKeyRef.key",
            "couldn't find key z in Secret ns/s",
        ),
        (
            "secretKeyRef: {name: s, key: raw}",
            ".secretKeyRef.key",
            "the value of key raw is not UTF-8",
        ),
        (
            "fieldRef: {fieldPath: status.podIP}",
            ".fieldRef.fieldPath",
            "`status.podIP` is not known here: the pod's network is not connected",
        ),
        (
            "fieldRef: {fieldPath: metadata.uid}",
            ".fieldRef.fieldPath",
            "`metadata.uid` is not known here: the manifest does not say it",
        ),
        (
            "fieldRef: {fieldPath: metadata.labels}",
            ".fieldRef.fieldPath",
            "`metadata.labels` is no field that a variable can have its value from",
        ),
        (
            "resourceFieldRef: {resource: limits.ephemeral-storage}",
            ".resourceFieldRef",
            "`limits.ephemeral-storage` is not declared, and what the node has is not known here",
        ),
        (
            "resourceFieldRef: {resource: limits.cpu, divisor: 1k}",
            ".resourceFieldRef",
            "`1k` is no divisor for `limits.cpu`",
        ),
        (
            "resourceFieldRef: {resource: limits.cpu, containerName: x}",
            ".resourceFieldRef",
            "container x not found",
        ),
        (
            "fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: p}",
            "",
            "a variable has its value from exactly one source",
        ),
        (
            "fileKeyRef: {key: k, path: p, volumeName: v}",
            ".fileKeyRef",
            "`fileKeyRef` is not read by this build",
        ),
    ] {
        let fields = format!("env: [{{name: V, valueFrom: {{{source}}}}}]");
        assert_eq!(variables(&fields).0, format!("{at}{field}: {expected}"), "{source}");
    }
}

#[test]
fn whole_objects_become_variables() {
    for (fields, expected, warnings) in [
        ("envFrom: [{configMapRef: {name: c}}]", "k=v$(A)", 1),
        ("envFrom: [{prefix: N_, configMapRef: {name: c}}]", "N_1x=one N_k=v$(A)", 0),
        ("envFrom: [{configMapRef: {name: none, optional: true}}]", "", 0),
        // `env` goes before `envFrom`, and knows its values.
        (
            "env: [{name: k, value: mine}, {name: w, value: $(k)}], envFrom: [{configMapRef: {name: c}}]",
            "k=mine w=mine",
            1,
        ),
        (
            "envFrom: [{configMapRef: {name: none}}]",
            "spec.containers[0].envFrom[0].configMapRef.name: configmap \"none\" not found",
            0,
        ),
        (
            "envFrom: [{secretRef: {name: s}}]",
            "spec.containers[0].envFrom[0].secretRef.name: the value of key raw is not UTF-8, or has a NUL",
            0,
        ),
        (
            "envFrom: [{prefix: x}]",
            "spec.containers[0].envFrom[0]: variables come from exactly one of `configMapRef` and `secretRef`",
            0,
        ),
    ] {
        let (found, told) = variables(fields);
        assert_eq!((found.as_str(), told.len()), (expected, warnings), "{fields}: {told:?}");
    }
}

#[test]
fn a_variables_name_does_not_begin_with_a_digit() {
    for (name, expected) in
        [("a", true), ("A.b-c_1", true), ("1a", false), ("", false), ("a b", false), ("..", false)]
    {
        assert_eq!(is_name(name), expected, "{name:?}");
    }
}
