use super::*;

#[test]
fn sysctl_names() {
    const NEW: &str = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    const OLD: &str = "must have at most 253 characters and match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    for (minor, name, fault) in [
        (36, "kernel.shm_rmid_forced", None),
        (36, "kernel/shm_rmid_forced", None),
        (23, "net/ipv4/conf/eth0.100/forwarding", None),
        (22, "kernel/shm_rmid_forced", Some(OLD)),
        (36, "a", None),
        (36, "a-", Some(NEW)),
        (36, "a..b", Some(NEW)),
        (36, "A", Some(NEW)),
        (36, "kernel.*", Some(NEW)),
        (36, "a/", Some(NEW)),
        (36, "ä", Some(NEW)),
    ] {
        let text = text(&spec("")).replace(
            "spec: {",
            &format!("spec: {{securityContext: {{sysctls: [{{name: \"{name}\", value: '1'}}]}}, "),
        );
        let path = "spec.securityContext.sysctls[0].name";
        let expected: Vec<String> =
            fault.iter().map(|it| format!("{path}: Invalid value: {name:?}: {it}")).collect();
        assert_eq!(messages(&text, ApiVersion(minor)), expected, "v1.{minor} {name}");
    }
}

#[test]
fn a_sysctl_name_has_at_most_253_characters() {
    for (length, is_valid) in [(253, true), (254, false)] {
        let name = "a".repeat(length);
        let text = text(&spec("")).replace(
            "spec: {",
            &format!("spec: {{securityContext: {{sysctls: [{{name: {name}, value: '1'}}]}}, "),
        );
        assert_eq!(messages(&text, ApiVersion(36)).is_empty(), is_valid, "{length}");
    }
}

#[test]
fn sysctls_in_their_pod() {
    check(
        &[
            (
                36,
                "securityContext: {sysctls: [{name: '', value: ''}]}, ",
                &["spec.securityContext.sysctls[0].name: Required value"],
            ),
            (
                36,
                "securityContext: {sysctls: [{name: a.b, value: '1'}, {name: a/b, value: '1'}, {name: a.b, value: '1'}]}, ",
                &["spec.securityContext.sysctls[2].name: Duplicate value: \"a.b\""],
            ),
            (
                29,
                "hostNetwork: true, securityContext: {sysctls: [{name: net/core/x, value: '1'}, {name: net, value: '1'}]}, ",
                &[
                    "spec.securityContext.sysctls[0].name: Invalid value: \"net/core/x\": may not be specified when 'hostNetwork' is true",
                ],
            ),
            (
                28,
                "hostNetwork: true, securityContext: {sysctls: [{name: net.core.x, value: '1'}]}, ",
                &[],
            ),
            (
                36,
                "hostIPC: true, securityContext: {sysctls: [{name: kernel.sem, value: '1'}, {name: kernel.shmfoo, value: '1'}, {name: fs.mqueue.x, value: '1'}]}, ",
                &[
                    "spec.securityContext.sysctls[0].name: Invalid value: \"kernel.sem\": may not be specified when 'hostIPC' is true",
                    "spec.securityContext.sysctls[2].name: Invalid value: \"fs.mqueue.x\": may not be specified when 'hostIPC' is true",
                ],
            ),
        ],
        spec,
    );
}

#[test]
fn sysctl_annotations_are_checked_where_they_mean_something() {
    let text = text(&annotated(
        "security.alpha.kubernetes.io/sysctls: 'a.b=1,a.b=2', security.alpha.kubernetes.io/unsafe-sysctls: x",
    ));
    assert_eq!(messages(&text, ApiVersion(37)), [""; 0]);
    assert_eq!(
        messages(&text, Rules::HERE),
        [
            "metadata.annotations[security.alpha.kubernetes.io/sysctls]: Duplicate value: \"a.b\"",
            "metadata.annotations[security.alpha.kubernetes.io/unsafe-sysctls]: Invalid value: \"x\": sysctl \"x\" not of the format sysctl_name=value",
        ]
    );
}
