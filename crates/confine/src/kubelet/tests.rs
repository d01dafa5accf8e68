mod merge;
mod profiles;

use super::*;
use crate::testing::{node, pod, resolved, secured, world};
use crate::world::{Legacy, Node};

const PROFILES: &str = "/var/lib/kubelet/seccomp";

fn at(minor: u32) -> World {
    World { node: Node { legacy: Legacy::Exactly(minor), ..node() }, ..world() }
}

fn asked(pod: &Pod, world: &World) -> Result<Request, String> {
    request(pod, "c", world, PROFILES).map_err(|it| it.to_string())
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
