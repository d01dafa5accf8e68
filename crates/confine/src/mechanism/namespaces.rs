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
use crate::drift::{Finding, Mechanism, Verdict};
use crate::scope::Scope;
use crate::world::{NodeUserNamespace, World};
use crate::{Origin, Sourced};

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
