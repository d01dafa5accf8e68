//! Namespaces: what a container does not share with the host.
//!
//! | | |
//! |---|---|
//! | said | `hostNetwork`, `hostPID`, `hostIPC` of the pod |
//! | meant | the kinds that are not the host's, for the pod and for the container |
//! | done | `clone3(2)` and `setns(2)` |
//! | seen | `/proc/<pid>/ns/*` beside the observer's own |
//!
//! The pod owns network, IPC and UTS; each container its mounts, processes and cgroup root. As in
//! container runtimes for Kubernetes, a pod with the host's network has the host's UTS namespace.

use stockade_abi::{NamespaceKind, NamespaceSet, Reading};
use stockade_spec::Pod;

use crate::container::UserNamespace;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::scope::{Findings, Scope};
use crate::world::{NodeUserNamespace, World};
use crate::{Origin, Reason, Sourced};

use NamespaceKind::{Cgroup, Ipc, Mount, Net, Pid, User, Uts};

/// The pod's namespaces, and the user namespace that owns them.
pub(crate) fn resolve_pod(
    pod: &Pod,
    world: &World,
) -> (Sourced<NamespaceSet>, Option<Sourced<UserNamespace>>) {
    let Some(spec) = &pod.object.spec else {
        return (Sourced::default(NamespaceSet::EMPTY, "no spec"), None);
    };
    let user = match &world.node.user_namespace {
        NodeUserNamespace::NotNeeded => None,
        NodeUserNamespace::Own(maps) => {
            Some(Sourced::new(maps.clone(), Origin::Node("running without root".to_owned())))
        }
    };
    let mut set = NamespaceSet::EMPTY.with(Net).with(Ipc).with(Uts);
    let mut shared = None;
    if spec.host_network == Some(true) {
        set = set.without(Net).without(Uts);
        shared = Some("spec.hostNetwork");
    }
    if spec.host_ipc == Some(true) {
        set = set.without(Ipc);
        shared = Some("spec.hostIPC");
    }
    if user.is_some() {
        set = set.with(User);
    }
    let origin = match shared {
        Some(path) => Origin::Declared(pod.place(&path.into())),
        None => Origin::Default("each pod has its own"),
    };
    (Sourced::new(set, origin), user)
}

/// Refuses what in a user namespace the kernel would: file systems that show namespaces of the host
/// can only be mounted by whoever owns those.
pub(crate) fn refuse_foreign(
    pod: &Pod,
    user_namespace: Option<&Sourced<UserNamespace>>,
    findings: &mut Findings,
) {
    let (Some(_), Some(spec)) = (user_namespace, &pod.object.spec) else { return };
    for (path, is_set, shown) in
        [("spec.hostPID", spec.host_pid, "/proc"), ("spec.hostIPC", spec.host_ipc, "/dev/mqueue")]
    {
        if is_set == Some(true) {
            findings.refuse_with_hint(
                Reason::Unsupported,
                pod.place(&path.into()),
                format!("the host's {shown} cannot be mounted in a user namespace"),
                "run Stockade as root",
            );
        }
    }
}

/// The container's: the pod's and its own.
pub(crate) fn resolve(scope: &Scope<'_>, pod: &Sourced<NamespaceSet>) -> Sourced<NamespaceSet> {
    let mut set = pod.value.with(Mount).with(Pid);
    let mut origin = pod.origin.clone();
    if scope.spec.host_pid == Some(true) {
        set = set.without(Pid);
        origin = Origin::Declared(scope.pod.place(&"spec.hostPID".into()));
    }
    if scope.is_privileged() {
        if scope.world.node.user_namespace == NodeUserNamespace::NotNeeded {
            origin = Origin::Declared(scope.own_place("privileged"));
        }
    } else {
        set = set.with(Cgroup);
    }
    Sourced::new(set, origin)
}

/// Kinds that a container makes for itself at birth; the others it joins. The cgroup namespace is
/// made later: its root is where the process is when it is made.
pub(crate) fn own(container: NamespaceSet, pod: NamespaceSet) -> NamespaceSet {
    pod.iter().fold(container.without(Cgroup), NamespaceSet::without)
}

pub(crate) fn expect(namespaces: &Sourced<NamespaceSet>) -> Reading<NamespaceSet> {
    Reading::Known(namespaces.value)
}

pub(crate) fn render(set: NamespaceSet) -> String {
    let shared: NamespaceSet =
        [Mount, Pid, Net, Ipc, Uts].into_iter().filter(|it| !set.contains(*it)).collect();
    if shared.is_empty() { format!("own {set}") } else { format!("own {set}; host's {shared}") }
}

pub(crate) fn compare(expected: NamespaceSet, seen: &Reading<NamespaceSet>) -> Finding {
    Finding::of(Mechanism::Namespaces, seen, |seen| {
        let missing: NamespaceSet = expected.iter().filter(|it| !seen.contains(*it)).collect();
        let more: NamespaceSet = seen.iter().filter(|it| !expected.contains(*it)).collect();
        let verdict = if !missing.is_empty() {
            Verdict::Weaker(format!("shares the host's {missing}"))
        } else if !more.is_empty() {
            Verdict::Tighter(format!("own {more} as well"))
        } else {
            Verdict::Holds
        };
        (render(*seen), verdict)
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{pod, resolved, users_node, world};

    #[test]
    fn what_is_not_shared_with_the_host() {
        let users = World { node: users_node(), ..world() };
        for (spec, own, world, of_pod, of_container) in [
            ("", "", world(), "net ipc uts", "mount pid net ipc uts cgroup"),
            ("hostNetwork: true,", "", world(), "ipc", "mount pid ipc cgroup"),
            ("hostIPC: true,", "", world(), "net uts", "mount pid net uts cgroup"),
            ("hostPID: true,", "", world(), "net ipc uts", "mount net ipc uts cgroup"),
            (
                "hostNetwork: true, hostIPC: true, hostPID: true,",
                "",
                world(),
                "none",
                "mount cgroup",
            ),
            ("hostNetwork: false,", "", world(), "net ipc uts", "mount pid net ipc uts cgroup"),
            ("", "privileged: true", world(), "net ipc uts", "mount pid net ipc uts"),
            ("", "", users, "user net ipc uts", "user mount pid net ipc uts cgroup"),
        ] {
            let pod = pod(&format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec} containers: \
                 [{{name: c, image: i, command: [x], securityContext: {{{own}}}}}]}}}}"
            ));
            let resolved = resolved(&pod, &world);
            let shared = resolved.pod.namespaces.value;
            let set = resolved.containers[0].confinement.namespaces.value;
            assert_eq!(shared.to_string(), of_pod, "{spec} {own}");
            assert_eq!(set.to_string(), of_container, "{spec} {own}");
            let made = self::own(set, shared);
            assert!(!made.contains(Cgroup) && shared.iter().all(|it| !made.contains(it)), "{made}");
        }
    }

    #[test]
    fn what_a_user_namespace_cannot_show_is_refused_by_name() {
        let users = World { node: users_node(), ..world() };
        for (spec, world, expected) in [
            ("hostPID: true,", &world(), ""),
            ("hostPID: true,", &users, "spec.hostPID"),
            ("hostIPC: true,", &users, "spec.hostIPC"),
            ("hostPID: false, hostIPC: false, hostNetwork: true,", &users, ""),
        ] {
            let pod = pod(&format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec} containers: \
                 [{{name: c, image: i, command: [x]}}]}}}}"
            ));
            let mut findings = Findings::default();
            let (_, user) = resolve_pod(&pod, world);
            refuse_foreign(&pod, user.as_ref(), &mut findings);
            let refused: Vec<&str> =
                findings.refusals.iter().map(|it| it.place.path.as_str()).collect();
            assert_eq!(refused.join(" "), expected, "{spec}");
        }
    }

    #[test]
    fn a_namespace_of_the_hosts_is_weaker() {
        let set = NamespaceSet::EMPTY.with(Mount).with(Pid);
        for (seen, verdict) in [
            (set, "ok"),
            (set.without(Pid), "WEAKER"),
            (set.without(Pid).with(Net), "WEAKER"),
            (set.with(Net), "tighter"),
        ] {
            assert_eq!(compare(set, &Reading::Known(seen)).verdict.to_string(), verdict, "{seen}");
        }
    }
}
