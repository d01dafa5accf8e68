use super::*;

#[test]
fn seccomp_annotations() {
    const KEY: &str = "metadata.annotations.container.seccomp.security.alpha.kubernetes.io/c";
    let faults = |value: &str, fault: &str| format!("{KEY}: Invalid value: {value:?}: {fault}");
    let rows = [
        ("runtime/default", None),
        ("docker/default", None),
        ("unconfined", None),
        ("localhost/a/./b", None),
        ("localhost/", None),
        ("localhost/a/../b", Some(faults("a/../b", "must not contain '..'"))),
        ("localhost//a", Some(faults("/a", "must be a relative path"))),
        ("localhost/a..b", None),
        ("", Some(faults("", "must be a valid seccomp profile"))),
        ("RuntimeDefault", Some(faults("RuntimeDefault", "must be a valid seccomp profile"))),
    ];
    for minor in [20, 36] {
        for (value, expected) in &rows {
            let key = "container.seccomp.security.alpha.kubernetes.io/c";
            let text = text(&annotated(""))
                .replace("annotations: {}", &format!("annotations: {{{key}: \"{value}\"}}"));
            let expected: Vec<String> = expected.iter().cloned().collect();
            assert_eq!(messages(&text, ApiVersion(minor)), expected, "v1.{minor} {value}");
        }
    }
}

#[test]
fn seccomp_fields() {
    check(
        &[
            (36, "securityContext: {seccompProfile: {type: RuntimeDefault}}, ", &[]),
            (
                36,
                "securityContext: {seccompProfile: {type: Localhost, localhostProfile: ''}}, ",
                &[],
            ),
            (
                36,
                "securityContext: {seccompProfile: {type: Localhost}}, ",
                &[
                    "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
                ],
            ),
            (
                36,
                "securityContext: {seccompProfile: {type: Localhost, localhostProfile: /x}}, ",
                &[
                    "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \"/x\": must be a relative path",
                ],
            ),
            (
                36,
                "securityContext: {seccompProfile: {type: Unconfined, localhostProfile: ''}}, ",
                &[
                    "spec.securityContext.seccompProfile.localhostProfile: Invalid value: {\"Type\":\"Unconfined\",\"LocalhostProfile\":\"\"}: can only be set when seccomp type is Localhost",
                ],
            ),
            (
                36,
                "securityContext: {seccompProfile: {type: ''}}, ",
                &[
                    "spec.securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set",
                ],
            ),
            (
                19,
                "securityContext: {seccompProfile: {type: runtimeDefault}}, ",
                &[
                    "spec.securityContext.seccompProfile.type: Unsupported value: \"runtimeDefault\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
                ],
            ),
            (18, "securityContext: {seccompProfile: {type: one version too early}}, ", &[]),
        ],
        spec,
    );
}

#[test]
fn seccomp_annotation_and_field_agree() {
    let agrees = |annotation: &str, field: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, annotations: \
             {{seccomp.security.alpha.kubernetes.io/pod: {annotation}}}}}\nspec: {{securityContext: \
             {{seccompProfile: {{{field}}}}}, containers: [{{name: c, image: i}}]}}"
        );
        messages(&text, ApiVersion(36))
    };
    let path = "spec.securityContext.seccompProfile";
    let by_type =
        format!("{path}.type: Forbidden: seccomp type in annotation and field must match");
    let by_name = format!(
        "{path}.localhostProfile: Forbidden: seccomp profile in annotation and field must match"
    );
    for (annotation, field, expected) in [
        ("docker/default", "type: RuntimeDefault", None),
        ("unconfined", "type: RuntimeDefault", Some(&by_type)),
        ("localhost/a", "type: Localhost, localhostProfile: a", None),
        ("localhost/a", "type: Localhost, localhostProfile: b", Some(&by_name)),
        ("localhost/a", "type: Unconfined", Some(&by_type)),
    ] {
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(agrees(annotation, field), expected, "{annotation} {field}");
    }
}

#[test]
fn seccomp_of_one_level_is_not_compared_with_the_other() {
    let agrees = |key: &str, shared: &str, own: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, annotations: {{{key}: unconfined}}}}\n\
             spec: {{securityContext: {{{shared}}}, containers: [{{name: c, image: i, \
             securityContext: {{{own}}}}}]}}"
        );
        messages(&text, ApiVersion(36))
    };
    let pod = "seccomp.security.alpha.kubernetes.io/pod";
    let container = "container.seccomp.security.alpha.kubernetes.io/c";
    let other = "container.seccomp.security.alpha.kubernetes.io/d";
    let field = "seccompProfile: {type: RuntimeDefault}";
    let path = "spec.containers[0].securityContext.seccompProfile";
    for (key, shared, own, expected) in [
        (pod, "", field, None),
        (container, field, "", None),
        (other, "", field, None),
        (container, "", field, Some(path)),
        (pod, field, "", Some("spec.securityContext.seccompProfile")),
    ] {
        let expected: Vec<String> = expected
            .map(|it| {
                format!("{it}.type: Forbidden: seccomp type in annotation and field must match")
            })
            .into_iter()
            .collect();
        assert_eq!(agrees(key, shared, own), expected, "{key} {shared} {own}");
    }
}

#[test]
fn very_old_seccomp_keys_are_no_keys_to_a_cluster() {
    let text = |value: &str| {
        text(&annotated("")).replace(
            "annotations: {}",
            &format!("annotations: {{security.alpha.kubernetes.io/seccomp/container/c: {value}}}"),
        )
    };
    let of_cluster = messages(&text("unconfined"), ApiVersion(36));
    assert_eq!(of_cluster.len(), 1);
    assert!(of_cluster[0].starts_with(
        "metadata.annotations: Invalid value: \"security.alpha.kubernetes.io/seccomp/container/c\": a valid label key must"
    ));
    assert!(messages(&text("unconfined"), ApiVersion(20))[0].contains("a qualified name must"));
    assert_eq!(messages(&text("unconfined"), Rules::HERE), [""; 0]);
    assert_eq!(
        messages(&text("bogus"), Rules::HERE),
        [
            "metadata.annotations.security.alpha.kubernetes.io/seccomp/container/c: Invalid value: \"bogus\": must be a valid seccomp profile"
        ]
    );
}
