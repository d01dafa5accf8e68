use super::*;

#[test]
fn apparmor_annotations() {
    check(
        &[
            (20, "container.apparmor.security.beta.kubernetes.io/c: localhost/ns://x", &[]),
            (36, "container.apparmor.security.beta.kubernetes.io/c: ''", &[]),
            (
                36,
                "container.apparmor.security.beta.kubernetes.io/c: docker/default",
                &[
                    "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid value: \"docker/default\": invalid AppArmor profile name: \"docker/default\"",
                ],
            ),
            (
                36,
                "container.apparmor.security.beta.kubernetes.io/d: unconfined",
                &[
                    "metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]: Invalid value: \"d\": container not found",
                ],
            ),
        ],
        annotated,
    );
}

#[test]
fn an_apparmor_annotation_may_be_of_a_container_of_any_list() {
    for (name, is_known) in [("a", true), ("b", true), ("", false), ("B", false)] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, annotations: \
             {{container.apparmor.security.beta.kubernetes.io/{name}: unconfined}}}}\nspec: \
             {{initContainers: [{{name: a, image: i}}], containers: [{{name: b, image: i}}]}}"
        );
        let told = messages(&text, ApiVersion(36));
        let says = told.iter().any(|it| it.ends_with("container not found"));
        assert_eq!(says, !is_known, "{name}: {told:?}");
    }
}

#[test]
fn apparmor_fields() {
    const PATH: &str = "spec.containers[0].securityContext.appArmorProfile";
    let long = "x".repeat(4096);
    let rows: &[(u16, String, Option<&str>)] = &[
        (36, "type: RuntimeDefault".into(), None),
        (36, "type: Localhost, localhostProfile: ../x".into(), None),
        (
            36,
            "type: Localhost".into(),
            Some(".localhostProfile: Required value: must be set when AppArmor type is Localhost"),
        ),
        (
            36,
            "type: Localhost, localhostProfile: ''".into(),
            Some(".localhostProfile: Required value: must be set when AppArmor type is Localhost"),
        ),
        (
            36,
            "type: Localhost, localhostProfile: ' x'".into(),
            Some(".localhostProfile: Invalid value: \" x\": must not be padded with whitespace"),
        ),
        (36, format!("type: Localhost, localhostProfile: {}", &long[1..]), None),
        (
            36,
            format!("type: Localhost, localhostProfile: {long}"),
            Some(".localhostProfile: Too long: may not be more than 4095 bytes"),
        ),
        (
            30,
            format!("type: Localhost, localhostProfile: {long}"),
            Some(".localhostProfile: Too long: must have at most 4095 bytes"),
        ),
        (
            36,
            "type: Unconfined, localhostProfile: x".into(),
            Some(
                ".localhostProfile: Invalid value: \"x\": can only be set when AppArmor type is Localhost",
            ),
        ),
        (
            36,
            "type: ''".into(),
            Some(".type: Required value: type is required when appArmorProfile is set"),
        ),
        (
            36,
            "type: Foo".into(),
            Some(
                ".type: Unsupported value: \"Foo\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
            ),
        ),
        (
            36,
            "type: Foo, localhostProfile: x".into(),
            Some(
                ".type: Unsupported value: \"Foo\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
            ),
        ),
        (
            36,
            "type: '', localhostProfile: x".into(),
            Some(".type: Required value: type is required when appArmorProfile is set"),
        ),
        (29, "type: Foo".into(), None),
    ];
    for (minor, field, expected) in rows {
        let text = text(&container("")).replace(
            "image: i, ",
            &format!("image: i, securityContext: {{appArmorProfile: {{{field}}}}}"),
        );
        let expected: Vec<String> = expected.iter().map(|it| format!("{PATH}{it}")).collect();
        assert_eq!(messages(&text, ApiVersion(*minor)), expected, "v1.{minor} {field}");
    }
}

#[test]
fn a_padded_name_may_be_too_long_as_well() {
    let name = format!(" {}", "x".repeat(4095));
    let text = text(&spec("")).replace(
        "spec: {",
        &format!(
            "spec: {{securityContext: {{appArmorProfile: {{type: Localhost, localhostProfile: \
             {name:?}}}}}, "
        ),
    );
    let told = messages(&text, ApiVersion(36));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("must not be padded with whitespace"), "{}", told[0]);
    assert!(told[1].ends_with("Too long: may not be more than 4095 bytes"), "{}", told[1]);
}

#[test]
fn an_annotation_without_meaning_contradicts_a_field_and_a_field_without_one_nothing() {
    let path = "spec.containers[0].securityContext";
    for (text, kind, contradicts) in [
        ("", "Unconfined", true),
        ("bogus", "RuntimeDefault", true),
        ("docker/default", "RuntimeDefault", true),
        ("bogus", "Localhost, localhostProfile: a", true),
        ("runtime/default", "Foo", false),
        ("unconfined", "''", false),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, annotations: \
             {{container.apparmor.security.beta.kubernetes.io/c: {text:?}, \
             container.seccomp.security.alpha.kubernetes.io/c: {text:?}}}}}\nspec: {{containers: \
             [{{name: c, image: i, securityContext: {{appArmorProfile: {{type: {kind}}}, \
             seccompProfile: {{type: {kind}}}}}}}]}}"
        );
        let told = messages(&text, ApiVersion(36));
        let says = |field: &str, what: &str| {
            let message = format!(
                "{path}.{field}.type: Forbidden: {what} type in annotation and field must match"
            );
            told.contains(&message)
        };
        assert_eq!(says("appArmorProfile", "apparmor"), contradicts, "{text}");
        // Docker's own word is one of seccomp's.
        let contradicts = contradicts && !text.contains("docker/default");
        assert_eq!(says("seccompProfile", "seccomp"), contradicts, "{text}");
    }
}

#[test]
fn apparmor_annotation_agrees_with_the_field_in_force() {
    let of = |minor: u16, pod: &str, own: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, annotations: \
             {{container.apparmor.security.beta.kubernetes.io/c: localhost/a}}}}\nspec: \
             {{securityContext: {{{pod}}}, containers: [{{name: c, image: i, securityContext: {{{own}}}}}]}}"
        );
        messages(&text, ApiVersion(minor))
    };
    let path = "spec.containers[0].securityContext.appArmorProfile";
    let by_type =
        format!("{path}.type: Forbidden: apparmor type in annotation and field must match");
    let by_name = format!(
        "{path}.localhostProfile: Forbidden: apparmor profile in annotation and field must match"
    );
    let same = "appArmorProfile: {type: Localhost, localhostProfile: a}";
    let other = "appArmorProfile: {type: Localhost, localhostProfile: b}";
    let unconfined = "appArmorProfile: {type: Unconfined}";
    for (minor, pod, own, expected) in [
        (36, "", same, None),
        (36, unconfined, same, None),
        (36, unconfined, "", Some(&by_type)),
        (36, same, unconfined, Some(&by_type)),
        (36, "", other, Some(&by_name)),
        (29, "", other, None),
    ] {
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(of(minor, pod, own), expected, "v1.{minor} {pod} {own}");
    }
}
