use super::*;

#[test]
fn security_contexts_of_containers() {
    check(
        &[
            (36, "securityContext: {runAsUser: 2147483647, runAsGroup: 0}", &[]),
            (
                36,
                "securityContext: {runAsUser: 2147483648, runAsGroup: -1}",
                &[
                    "spec.containers[0].securityContext.runAsUser: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
                    "spec.containers[0].securityContext.runAsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                ],
            ),
            (
                36,
                "securityContext: {procMount: x}",
                &[
                    "spec.containers[0].securityContext.procMount: Unsupported value: \"x\": supported values: \"Default\", \"Unmasked\"",
                ],
            ),
            (
                30,
                "securityContext: {procMount: Unmasked}",
                &[
                    "spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`",
                ],
            ),
            (29, "securityContext: {procMount: Unmasked}", &[]),
            (
                36,
                "securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN, ALL]}}",
                &[],
            ),
            (36, "securityContext: {allowPrivilegeEscalation: true, privileged: true}", &[]),
            (36, "securityContext: {capabilities: {add: [NO_SUCH_THING]}}", &[]),
        ],
        container,
    );
    let here = |written| messages(&text(&container(written)), Rules::HERE);
    assert_eq!(
        here(
            "securityContext: {allowPrivilegeEscalation: false, privileged: true, capabilities: {add: [CAP_SYS_ADMIN]}}"
        ),
        [
            "spec.containers[0].securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            "spec.containers[0].securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        ]
    );
}

#[test]
fn a_cluster_prints_the_whole_context() {
    let written =
        "securityContext: {allowPrivilegeEscalation: false, privileged: true, runAsUser: 1}";
    assert_eq!(
        messages(&text(&container(written)), ApiVersion(36)),
        [
            "spec.containers[0].securityContext: Invalid value: {\"Capabilities\":null,\"Privileged\":true,\"SELinuxOptions\":null,\"WindowsOptions\":null,\"RunAsUser\":1,\"RunAsGroup\":null,\"RunAsNonRoot\":null,\"ReadOnlyRootFilesystem\":null,\"AllowPrivilegeEscalation\":false,\"ProcMount\":null,\"SeccompProfile\":null,\"AppArmorProfile\":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        ]
    );
}

#[test]
fn block_devices_do_not_go_with_a_user_namespace() {
    for (host_users, minor, is_forbidden) in
        [("false", 36, true), ("false", 24, false), ("true", 36, false)]
    {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{hostUsers: {host_users}, \
             containers: [{{name: c, image: i, volumeDevices: [{{name: v, devicePath: /x}}]}}]}}"
        );
        let expected: &[&str] = if is_forbidden {
            &["spec.containers[0].volumeDevices: Forbidden: when `hostUsers` is false"]
        } else {
            &[]
        };
        assert_eq!(messages(&text, ApiVersion(minor)), expected, "v1.{minor} {host_users}");
    }
}

#[test]
fn every_field_that_only_linux_has_is_forbidden_on_windows() {
    const OF_SPEC: &[&str] =
        &["hostPID: true", "hostIPC: true", "hostUsers: true", "shareProcessNamespace: false"];
    const OF_POD: &[&str] = &[
        "seLinuxOptions: {}",
        "seccompProfile: {type: Unconfined}",
        "appArmorProfile: {type: Unconfined}",
        "fsGroup: 1",
        "fsGroupChangePolicy: Always",
        "sysctls: [{name: a, value: b}]",
        "runAsUser: 1",
        "runAsGroup: 1",
        "supplementalGroups: []",
        "supplementalGroupsPolicy: Merge",
        "seLinuxChangePolicy: Recursive",
    ];
    const OF_CONTAINER: &[&str] = &[
        "seLinuxOptions: {}",
        "seccompProfile: {type: Unconfined}",
        "appArmorProfile: {type: Unconfined}",
        "capabilities: {}",
        "readOnlyRootFilesystem: false",
        "privileged: false",
        "allowPrivilegeEscalation: true",
        "procMount: Default",
        "runAsUser: 1",
        "runAsGroup: 1",
    ];
    let forbidden = |path: &str, field: &str| {
        let (name, _) = field.split_once(':').unwrap();
        [format!("{path}.{name}: Forbidden: cannot be set for a windows pod")]
    };
    let check = |os: &str, spec: &str, own: &str, expected: &[String]| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{{os}{spec}containers: [{{name: \
             c, image: i, securityContext: {{{own}}}}}]}}"
        );
        assert_eq!(messages(&text, ApiVersion(36)), expected, "{spec} {own}");
    };
    let (windows, linux) = ("os: {name: windows}, ", "os: {name: linux}, ");
    for field in OF_SPEC {
        let spec = format!("{field}, ");
        check(windows, &spec, "", &forbidden("spec", field));
        check(linux, &spec, "", &[]);
        check("", &spec, "", &[]);
    }
    for field in OF_POD {
        let spec = format!("securityContext: {{{field}}}, ");
        check(windows, &spec, "", &forbidden("spec.securityContext", field));
        check(linux, &spec, "", &[]);
    }
    for field in OF_CONTAINER {
        check(windows, "", field, &forbidden("spec.containers[0].securityContext", field));
        check(linux, "", field, &[]);
    }
    check(windows, "hostNetwork: true, hostPID: false, ", "runAsNonRoot: true", &[]);
}

#[test]
fn an_api_server_may_forbid_privileged_containers() {
    let text = text(&container("securityContext: {privileged: true}"));
    let rules = Rules { privileged: PrivilegedContainers::Forbidden, ..ApiVersion(36).into() };
    assert_eq!(
        messages(&text, rules),
        ["spec.containers[0].securityContext.privileged: Forbidden: disallowed by cluster policy"]
    );
    assert_eq!(messages(&text, ApiVersion(36)), [""; 0]);
}

#[test]
fn security_contexts_of_pods_and_namespaces() {
    check(
        &[
            (
                36,
                "securityContext: {fsGroup: -1, supplementalGroups: [0, 2147483648]}, ",
                &[
                    "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                    "spec.securityContext.supplementalGroups[1]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
                ],
            ),
            (
                36,
                "securityContext: {fsGroupChangePolicy: x, supplementalGroupsPolicy: x}, ",
                &[
                    "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"x\": supported values: \"Always\", \"OnRootMismatch\"",
                    "spec.securityContext.supplementalGroupsPolicy: Unsupported value: \"x\": supported values: \"Merge\", \"Strict\"",
                ],
            ),
            (30, "securityContext: {supplementalGroupsPolicy: x}, ", &[]),
            (
                20,
                "hostPID: true, shareProcessNamespace: true, ",
                &[
                    "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
                ],
            ),
            (36, "hostPID: false, shareProcessNamespace: true, ", &[]),
            (
                36,
                "hostUsers: false, hostPID: true, hostIPC: true, hostNetwork: true, ",
                &[
                    "spec.HostPID: Forbidden: when `hostUsers` is false",
                    "spec.HostIPC: Forbidden: when `hostUsers` is false",
                    "spec.hostNetwork: Forbidden: when `hostUsers` is false",
                ],
            ),
            (36, "hostUsers: true, hostPID: true, ", &[]),
            (24, "hostUsers: false, hostPID: true, ", &[]),
            (
                36,
                "os: {name: windows}, hostUsers: false, securityContext: {runAsUser: 1, seccompProfile: {type: Unconfined}}, ",
                &[
                    "spec.hostUsers: Forbidden: cannot be set for a windows pod",
                    "spec.securityContext.seccompProfile: Forbidden: cannot be set for a windows pod",
                    "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
                ],
            ),
            (
                36,
                "os: {name: linux}, securityContext: {windowsOptions: {}}, ",
                &[
                    "spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod",
                ],
            ),
            (
                36,
                "os: {name: plan9}, ",
                &[
                    "spec.os: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\"",
                ],
            ),
            (22, "os: {name: plan9}, ", &[]),
            (36, "os: {name: ''}, ", &["spec.os.name: Required value: cannot be empty"]),
        ],
        spec,
    );
}
