use super::*;

#[test]
fn a_containers_field_replaces_the_pods_as_a_whole() {
    for (shared, own, expected) in [
        ("", "", ""),
        (
            "runAsUser: 1, runAsGroup: 2, runAsNonRoot: true",
            "",
            "runAsUser: 1, runAsGroup: 2, runAsNonRoot: true",
        ),
        (
            "runAsUser: 1, runAsGroup: 2, runAsNonRoot: true",
            "runAsUser: 5, runAsNonRoot: false",
            "runAsUser: 5, runAsGroup: 2, runAsNonRoot: false",
        ),
        (
            "seLinuxOptions: {level: 's0:c1', type: t}",
            "seLinuxOptions: {level: 's0:c2'}",
            "seLinuxOptions: {level: 's0:c2'}",
        ),
        (
            "seLinuxOptions: {type: t}",
            "privileged: true",
            "privileged: true, seLinuxOptions: {type: t}",
        ),
        // The pod's alone.
        (
            "fsGroup: 1, supplementalGroups: [2], sysctls: [{name: a, value: b}]",
            "runAsUser: 1",
            "runAsUser: 1",
        ),
        (
            "runAsUser: 1, seccompProfile: {type: Unconfined}",
            "seccompProfile: {type: RuntimeDefault}, appArmorProfile: {type: Unconfined}",
            "runAsUser: 1",
        ),
        (
            "windowsOptions: {gmsaCredentialSpecName: a, gmsaCredentialSpec: b, runAsUserName: c}",
            "windowsOptions: {gmsaCredentialSpecName: d, hostProcess: true}",
            "windowsOptions: {gmsaCredentialSpecName: d, runAsUserName: c, hostProcess: true}",
        ),
        (
            "windowsOptions: {gmsaCredentialSpecName: a, gmsaCredentialSpec: b, runAsUserName: c}",
            "windowsOptions: {runAsUserName: d}",
            "windowsOptions: {gmsaCredentialSpecName: a, gmsaCredentialSpec: b, runAsUserName: d}",
        ),
        (
            "",
            "procMount: Default, capabilities: {add: [A]}, readOnlyRootFilesystem: true, allowPrivilegeEscalation: true",
            "procMount: Default, capabilities: {add: [A]}, readOnlyRootFilesystem: true, allowPrivilegeEscalation: true",
        ),
    ] {
        let context = |pod: &Pod| effective_context(pod, &pod.container("c").unwrap());
        let wanted = secured("", expected);
        let wanted = wanted.container("c").unwrap().security_context.cloned().unwrap();
        assert_eq!(context(&secured(shared, own)), wanted, "{shared} | {own}");
    }
}

#[test]
fn without_a_context_of_the_pod_the_containers_is_taken_as_it_is() {
    let pod = pod("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [
        {name: a, image: i, securityContext: {seccompProfile: {type: Unconfined}}},
        {name: b, image: i}]}}");
    let context = |name| effective_context(&pod, &pod.container(name).unwrap());
    assert_eq!(context("a").seccomp_profile.unwrap().type_, "Unconfined");
    assert_eq!(context("b"), k8s::SecurityContext::default());
}
