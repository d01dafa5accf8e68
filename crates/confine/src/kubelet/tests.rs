use super::*;
use crate::testing::{annotated, node, pod, resolved, secured, world};
use crate::world::{Legacy, Node, SeccompDefault};

const PROFILES: &str = "/var/lib/kubelet/seccomp";

fn at(minor: u32) -> World {
    World { node: Node { legacy: Legacy::Exactly(minor), ..node() }, ..world() }
}

fn with_default(minor: u32) -> World {
    let seccomp_default = SeccompDefault::RuntimeDefault;
    World { node: Node { seccomp_default, ..at(minor).node }, ..world() }
}

fn asked(pod: &Pod, world: &World) -> Result<Request, String> {
    request(pod, "c", world, PROFILES).map_err(|it| it.to_string())
}

/// A profile and its text, in one line.
fn seccomp(pod: &Pod, world: &World) -> String {
    match asked(pod, world) {
        Err(why) => why,
        Ok(Request { seccomp, seccomp_text, .. }) => format!(
            "{} {}",
            seccomp.map_or("-".to_owned(), |it| format!("{it:?}")),
            seccomp_text.map_or("-".to_owned(), |it| format!("{it:?}"))
        ),
    }
}

fn apparmor(pod: &Pod, world: &World) -> String {
    match asked(pod, world) {
        Err(why) => why,
        Ok(Request { apparmor, apparmor_text, .. }) => {
            format!("{} {apparmor_text:?}", apparmor.map_or("-".to_owned(), |it| format!("{it:?}")))
        }
    }
}

#[test]
fn a_seccomp_field_is_a_profile_and_until_1_27_a_text() {
    let path = "/var/lib/kubelet/seccomp/a";
    let local = format!("Localhost({path:?})");
    let text = format!("{:?}", format!("localhost/{path}"));
    let missing = "localhostProfile must be set if seccompProfile type is Localhost.";
    let none = "Unconfined \"\"";
    for (field, in_1_20, in_1_27, in_1_36) in [
        (
            "type: RuntimeDefault",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault -",
        ),
        (
            "type: RuntimeDefault, localhostProfile: x",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault \"runtime/default\"",
            "RuntimeDefault -",
        ),
        (
            "type: Unconfined",
            "Unconfined \"unconfined\"",
            "Unconfined \"unconfined\"",
            "Unconfined -",
        ),
        (
            "type: Localhost, localhostProfile: a",
            &format!("{local} {text}"),
            &format!("{local} {text}"),
            &format!("{local} -"),
        ),
        ("type: Localhost", none, missing, missing),
        ("type: Localhost, localhostProfile: ''", none, missing, missing),
        ("type: Foo", none, none, "Unconfined -"),
        ("type: ''", none, none, "Unconfined -"),
    ] {
        let field = format!("seccompProfile: {{{field}}}");
        for pod in [secured(&field, ""), secured("", &field)] {
            assert_eq!(seccomp(&pod, &at(20)), in_1_20, "{field}");
            assert_eq!(seccomp(&pod, &at(24)), in_1_20, "{field}");
            assert_eq!(seccomp(&pod, &at(25)), in_1_27, "{field}");
            assert_eq!(seccomp(&pod, &at(27)), in_1_27, "{field}");
            assert_eq!(seccomp(&pod, &at(28)), in_1_36, "{field}");
            assert_eq!(seccomp(&pod, &at(36)), in_1_36, "{field}");
        }
    }
}

#[test]
fn the_path_of_a_seccomp_profile_is_clean() {
    for (name, path) in [
        ("a/b.json", "/var/lib/kubelet/seccomp/a/b.json"),
        ("/x", "/var/lib/kubelet/seccomp/x"),
        ("./x", "/var/lib/kubelet/seccomp/x"),
        ("a//./../b/", "/var/lib/kubelet/seccomp/b"),
        ("..a/b", "/var/lib/kubelet/seccomp/..a/b"),
        ("../x", "/var/lib/kubelet/x"),
        ("../../../../../x", "/x"),
        ("../../../..", "/"),
    ] {
        let field = format!("seccompProfile: {{type: Localhost, localhostProfile: {name:?}}}");
        let asked = asked(&secured(&field, ""), &at(36)).unwrap();
        assert_eq!(asked.seccomp, Some(SecurityProfile::Localhost(path.to_owned())), "{name}");
    }
}

#[test]
fn a_seccomp_annotation_is_a_text_until_1_24_and_never_a_profile() {
    let own = "container.seccomp.security.alpha.kubernetes.io/c";
    let shared = "seccomp.security.alpha.kubernetes.io/pod";
    for (text, sent) in [
        ("runtime/default", "runtime/default"),
        ("docker/default", "docker/default"),
        ("unconfined", "unconfined"),
        ("localhost/a", "localhost//var/lib/kubelet/seccomp/a"),
        ("localhost/", "localhost//var/lib/kubelet/seccomp"),
        ("localhost/../x", "localhost//var/lib/kubelet/x"),
        ("bogus", "bogus"),
        ("", ""),
    ] {
        for key in [own, shared] {
            let pod = annotated(&format!("{key}: {text:?}"), "", "");
            assert_eq!(seccomp(&pod, &at(18)), format!("- {sent:?}"), "{key}: {text}");
            assert_eq!(seccomp(&pod, &at(24)), format!("Unconfined {sent:?}"), "{key}: {text}");
            assert_eq!(seccomp(&pod, &at(25)), "Unconfined \"\"", "{key}: {text}");
            assert_eq!(seccomp(&pod, &at(28)), "Unconfined -", "{key}: {text}");
        }
    }
}

#[test]
fn a_seccomp_annotation_goes_before_the_field_of_the_pod_only() {
    let own = "container.seccomp.security.alpha.kubernetes.io/c: unconfined";
    let shared = "seccomp.security.alpha.kubernetes.io/pod: unconfined";
    let very_old = "security.alpha.kubernetes.io/seccomp/pod: unconfined";
    let other = "container.seccomp.security.alpha.kubernetes.io/d: unconfined";
    let field = "seccompProfile: {type: RuntimeDefault}";
    for (note, of_pod, of_container, expected) in [
        (own, "", field, "RuntimeDefault \"runtime/default\""),
        (own, field, "", "RuntimeDefault \"unconfined\""),
        (shared, field, "", "RuntimeDefault \"runtime/default\""),
        (shared, "", "", "Unconfined \"unconfined\""),
        (very_old, "", "", "Unconfined \"\""),
        (other, "", "", "Unconfined \"\""),
    ] {
        let pod = annotated(note, of_pod, of_container);
        assert_eq!(seccomp(&pod, &at(20)), expected, "{note} {of_pod} {of_container}");
    }
}

#[test]
fn seccomp_by_default_fills_in_what_is_not_said_since_1_22() {
    let pod = |own: &str| secured("", own);
    for (own, minor, expected) in [
        ("", 21, "Unconfined \"\""),
        ("", 22, "RuntimeDefault \"runtime/default\""),
        ("", 36, "RuntimeDefault -"),
        // Ignored by the runtime, not by the kubelet.
        ("privileged: true", 36, "RuntimeDefault -"),
        ("seccompProfile: {type: Unconfined}", 36, "Unconfined -"),
        ("seccompProfile: {type: Foo}", 36, "Unconfined -"),
        ("seccompProfile: {type: Localhost}", 23, "Unconfined \"runtime/default\""),
    ] {
        assert_eq!(seccomp(&pod(own), &with_default(minor)), expected, "v1.{minor} {own}");
    }
}

#[test]
fn an_apparmor_field_is_a_profile_since_1_30() {
    for (field, expected) in [
        ("type: RuntimeDefault", "RuntimeDefault \"runtime/default\""),
        ("type: RuntimeDefault, localhostProfile: a", "RuntimeDefault \"runtime/default\""),
        ("type: Unconfined", "Unconfined \"unconfined\""),
        ("type: Localhost, localhostProfile: ../a", "Localhost(\"../a\") \"localhost/../a\""),
        ("type: Localhost, localhostProfile: ''", "Localhost(\"\") \"localhost/\""),
        ("type: Localhost", "missing localhost apparmor profile name"),
        ("type: Foo", "unknown apparmor profile type: \"Foo\""),
        ("type: ''", "unknown apparmor profile type: \"\""),
    ] {
        let field = format!("appArmorProfile: {{{field}}}");
        for pod in [secured(&field, ""), secured("", &field)] {
            assert_eq!(apparmor(&pod, &at(30)), expected, "{field}");
            assert_eq!(apparmor(&pod, &at(29)), "- \"\"", "{field}");
        }
    }
}

#[test]
fn an_apparmor_annotation_is_sent_as_it_is_until_1_29_and_read_since() {
    let shared = "appArmorProfile: {type: RuntimeDefault}";
    let by_pod = "RuntimeDefault \"runtime/default\"";
    for (text, alone, beside) in [
        ("runtime/default", by_pod, by_pod),
        ("unconfined", "Unconfined \"unconfined\"", "Unconfined \"unconfined\""),
        ("localhost/a", "Localhost(\"a\") \"localhost/a\"", "Localhost(\"a\") \"localhost/a\""),
        ("localhost/", "Localhost(\"\") \"localhost/\"", "Localhost(\"\") \"localhost/\""),
        ("RuntimeDefault", "- \"\"", by_pod),
        ("docker/default", "- \"\"", by_pod),
        ("", "- \"\"", by_pod),
    ] {
        let note = format!("container.apparmor.security.beta.kubernetes.io/c: {text:?}");
        let pod = annotated(&note, "", "");
        assert_eq!(apparmor(&pod, &at(20)), format!("- {text:?}"), "{text}");
        assert_eq!(apparmor(&pod, &at(36)), alone, "{text}");
        assert_eq!(apparmor(&annotated(&note, shared, ""), &at(36)), beside, "{text}");
        let own = annotated(&note, "", "appArmorProfile: {type: Unconfined}");
        assert_eq!(apparmor(&own, &at(36)), "Unconfined \"unconfined\"", "{text}");
    }
}

#[test]
fn a_user_is_the_manifests_or_else_the_images() {
    for (image, shared, own, expected) in [
        ("", "", "", Some(RequestedUser::Id(0))),
        ("7:8", "", "", Some(RequestedUser::Id(7))),
        ("web:www", "", "", Some(RequestedUser::Name("web".to_owned()))),
        ("web", "runAsUser: 1", "", Some(RequestedUser::Id(1))),
        ("web", "runAsUser: 1", "runAsUser: 2", Some(RequestedUser::Id(2))),
    ] {
        let image = ImageFacts { user: image.to_owned(), ..ImageFacts::default() };
        let world = World { images: [("i".to_owned(), image)].into(), ..at(36) };
        let found = asked(&secured(shared, own), &world).unwrap().user;
        assert_eq!(found, expected, "{shared} {own}");
    }
    let unknown = World { images: [].into(), ..at(36) };
    assert_eq!(asked(&secured("", ""), &unknown).unwrap().user, None);
}

#[test]
fn groups_are_the_volumes_first_and_then_those_listed() {
    for (shared, group, groups) in [
        ("", None, vec![]),
        ("runAsGroup: 5", Some(5), vec![]),
        ("fsGroup: 9, supplementalGroups: [7, 3, 7]", None, vec![9, 7, 3, 7]),
    ] {
        let asked = asked(&secured(shared, ""), &at(36)).unwrap();
        assert_eq!((asked.group, asked.groups), (group, groups), "{shared}");
    }
    for (policy, minor, expected) in [
        ("", 30, Ok(None)),
        ("Strict", 30, Ok(None)),
        ("", 31, Ok(Some(GroupsPolicy::Merge))),
        ("Merge", 36, Ok(Some(GroupsPolicy::Merge))),
        ("Strict", 36, Ok(Some(GroupsPolicy::Strict))),
        ("Bogus", 36, Err("unsupported supplementalGroupsPolicy: Bogus".to_owned())),
    ] {
        let shared = if policy.is_empty() {
            String::new()
        } else {
            format!("supplementalGroupsPolicy: {policy}")
        };
        let pod = secured(&shared, "");
        let found = asked(&pod, &at(minor)).map(|it| it.groups_policy);
        assert_eq!(found, expected, "v1.{minor} {policy}");
    }
}

#[test]
fn privilege_root_and_escalation_are_the_containers_own() {
    for (own, privilege, bit, root) in [
        ("", Privilege::Confined, NoNewPrivs::Unset, MountAccess::ReadWrite),
        ("privileged: true", Privilege::Privileged, NoNewPrivs::Unset, MountAccess::ReadWrite),
        ("privileged: false", Privilege::Confined, NoNewPrivs::Unset, MountAccess::ReadWrite),
        (
            "privileged: true, allowPrivilegeEscalation: false",
            Privilege::Privileged,
            NoNewPrivs::Set,
            MountAccess::ReadWrite,
        ),
        (
            "allowPrivilegeEscalation: true, readOnlyRootFilesystem: true",
            Privilege::Confined,
            NoNewPrivs::Unset,
            MountAccess::ReadOnly,
        ),
        (
            "allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}",
            Privilege::Confined,
            NoNewPrivs::Set,
            MountAccess::ReadWrite,
        ),
    ] {
        let asked = asked(&secured("", own), &at(36)).unwrap();
        let found = (asked.privilege, asked.no_new_privs, asked.root);
        assert_eq!(found, (privilege, bit, root), "{own}");
    }
}

#[test]
fn guarded_paths_are_those_of_the_version() {
    for (own, minor, masked, read_only) in [
        ("", 26, 9, 6),
        ("", 27, 10, 5),
        ("", 28, 11, 5),
        ("", 30, 11, 5),
        // One more, and one for each of the two CPUs.
        ("", 31, 14, 5),
        ("procMount: Default", 36, 14, 5),
        ("privileged: true", 36, 14, 5),
        ("procMount: Unmasked", 36, 0, 0),
        ("procMount: Unmasked", 20, 0, 0),
    ] {
        let GuardedPaths { masked: hidden, read_only: fixed } =
            asked(&secured("", own), &at(minor)).unwrap().paths;
        assert_eq!((hidden.len(), fixed.len()), (masked, read_only), "v1.{minor} {own}");
        let asound = "/proc/asound".to_owned();
        assert_eq!(fixed.contains(&asound), minor <= 26 && masked > 0, "v1.{minor} {own}");
    }
}

#[test]
fn namespaces_are_shared_as_the_pod_says() {
    use NamespaceMode::{Container, Node, Pod as Shared};
    let of = |spec: &str, minor| {
        let pod = pod(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec} containers: [{{name: \
             c, image: i}}]}}}}"
        ));
        asked(&pod, &at(minor)).map(|it| it.namespaces)
    };
    for (spec, network, pid, ipc, user) in [
        ("", Shared, Container, Shared, Node),
        ("hostNetwork: true,", Node, Container, Shared, Node),
        ("hostIPC: true,", Shared, Container, Node, Node),
        ("hostPID: true,", Shared, Node, Shared, Node),
        ("shareProcessNamespace: true,", Shared, Shared, Shared, Node),
        ("hostPID: true, shareProcessNamespace: true,", Shared, Node, Shared, Node),
        ("hostUsers: true,", Shared, Container, Shared, Node),
        ("hostUsers: false,", Shared, Container, Shared, Shared),
    ] {
        let expected = Namespaces { network, pid, ipc, user: Some(user) };
        assert_eq!(of(spec, 33), Ok(expected), "{spec}");
    }
    let off =
        |gate| Err(format!("the feature gate {gate:?} is disabled: can't set spec.HostUsers"));
    for (spec, minor, expected) in [
        ("", 32, Ok(None)),
        ("", 24, Ok(None)),
        ("hostUsers: false,", 24, Ok(None)),
        ("hostUsers: false,", 25, off("UserNamespacesStatelessPodsSupport")),
        ("hostUsers: true,", 28, off("UserNamespacesSupport")),
        ("hostUsers: false,", 32, off("UserNamespacesSupport")),
    ] {
        assert_eq!(of(spec, minor).map(|it| it.user), expected, "v1.{minor} {spec}");
    }
}

#[test]
fn every_list_has_containers_that_can_be_asked_for() {
    let pod = pod("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {
        initContainers: [{name: a, image: i, securityContext: {runAsUser: 1}}],
        containers: [{name: b, image: i, securityContext: {runAsUser: 2}}],
        ephemeralContainers: [
            {name: c, image: i, targetContainerName: b, securityContext: {runAsUser: 3}},
            {name: d, image: i}]}}");
    let of = |name: &str| request(&pod, name, &at(36), PROFILES);
    for (name, user, pid) in [
        ("a", 1, NamespaceMode::Container),
        ("b", 2, NamespaceMode::Container),
        ("c", 3, NamespaceMode::Target),
        ("d", 0, NamespaceMode::Container),
    ] {
        let asked = of(name).unwrap();
        let found = (asked.user, asked.namespaces.pid);
        assert_eq!(found, (Some(RequestedUser::Id(user)), pid), "{name}");
    }
    assert_eq!(of("e"), Err(Unaskable::NoContainer("e".to_owned())));
}

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

#[test]
fn what_is_meant_is_what_a_kubelet_would_ask_for() {
    use crate::{AppArmor, Seccomp};
    for (shared, own) in [
        ("", ""),
        ("runAsUser: 1, runAsGroup: 2, fsGroup: 4, supplementalGroups: [3]", ""),
        ("runAsUser: 1, runAsGroup: 2", "runAsUser: 5, readOnlyRootFilesystem: true"),
        ("seccompProfile: {type: RuntimeDefault}", "allowPrivilegeEscalation: false"),
        ("seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}"),
        ("appArmorProfile: {type: RuntimeDefault}", "appArmorProfile: {type: Unconfined}"),
        ("appArmorProfile: {type: Localhost, localhostProfile: a}", ""),
    ] {
        let pod = secured(shared, own);
        let asked = asked(&pod, &world()).unwrap();
        let resolved = resolved(&pod, &world());
        let meant = &resolved.containers[0].confinement;
        let identity = &meant.identity.value;
        assert_eq!(asked.user, Some(RequestedUser::Id(identity.uid.into())), "{shared} {own}");
        assert_eq!(asked.group.unwrap_or(0), i64::from(identity.gid), "{shared} {own}");
        let mut groups = asked.groups;
        groups.sort_unstable();
        assert!(groups.iter().copied().eq(identity.groups.iter().map(|it| i64::from(*it))));
        let seccomp = match &meant.seccomp.value {
            Seccomp::Unconfined => SecurityProfile::Unconfined,
            Seccomp::Filter(_) => SecurityProfile::RuntimeDefault,
        };
        assert_eq!(asked.seccomp, Some(seccomp), "{shared} {own}");
        let apparmor = match &meant.apparmor.value {
            AppArmor::Unset => None,
            AppArmor::Unconfined => Some(SecurityProfile::Unconfined),
            AppArmor::RuntimeDefault => Some(SecurityProfile::RuntimeDefault),
            AppArmor::Localhost(name) => Some(SecurityProfile::Localhost(name.clone())),
        };
        assert_eq!(asked.apparmor, apparmor, "{shared} {own}");
        assert_eq!(asked.paths, meant.paths.value, "{shared} {own}");
    }
}
