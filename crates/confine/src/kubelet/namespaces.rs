//! Which namespaces a container is to share with whom.

use stockade_abi::NamespaceKind;
use stockade_spec::ContainerList;

use super::Unaskable;
use crate::mechanism::namespaces::resolve_pod;
use crate::scope::Scope;

/// With whom a container shares its namespaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Namespaces {
    /// Network.
    pub network: NamespaceMode,
    /// Processes.
    pub pid: NamespaceMode,
    /// IPC.
    pub ipc: NamespaceMode,
    /// Users; `None` for a kubelet that does not speak of it.
    pub user: Option<NamespaceMode>,
}

/// With whom a namespace is shared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamespaceMode {
    /// The other containers of the pod.
    Pod,
    /// Nobody.
    Container,
    /// The host.
    Node,
    /// The container at which an ephemeral one aims.
    Target,
}

pub(super) fn of(
    scope: &Scope<'_>,
    list: ContainerList,
    minor: u32,
) -> Result<Namespaces, Unaskable> {
    let (of_pod, _) = resolve_pod(scope.pod, scope.world);
    let of_pod = of_pod.value;
    let mode = |kind| if of_pod.contains(kind) { NamespaceMode::Pod } else { NamespaceMode::Node };
    Ok(Namespaces {
        network: mode(NamespaceKind::Net),
        pid: pid(scope, list),
        ipc: mode(NamespaceKind::Ipc),
        user: user(scope, minor)?,
    })
}

fn pid(scope: &Scope<'_>, list: ContainerList) -> NamespaceMode {
    let ephemeral = scope.spec.ephemeral_containers.iter().flatten();
    let mut aiming = ephemeral.filter(|it| it.target_container_name.is_some());
    if list == ContainerList::Ephemeral && aiming.any(|it| it.name == scope.container.name) {
        NamespaceMode::Target
    } else if scope.spec.host_pid == Some(true) {
        NamespaceMode::Node
    } else if scope.spec.share_process_namespace == Some(true) {
        NamespaceMode::Pod
    } else {
        NamespaceMode::Container
    }
}

fn user(scope: &Scope<'_>, minor: u32) -> Result<Option<NamespaceMode>, Unaskable> {
    match (minor, scope.spec.host_users) {
        (ON_SINCE.., Some(false)) => Ok(Some(NamespaceMode::Pod)),
        (ON_SINCE.., None | Some(true)) => Ok(Some(NamespaceMode::Node)),
        (..FIELD_SINCE, _) | (_, None) => Ok(None),
        (FIELD_SINCE..RENAMED_SINCE, Some(_)) => {
            Err(Unaskable::UserNamespaces("UserNamespacesStatelessPodsSupport"))
        }
        (RENAMED_SINCE..ON_SINCE, Some(_)) => {
            Err(Unaskable::UserNamespaces("UserNamespacesSupport"))
        }
    }
}

const FIELD_SINCE: u32 = 25;
const RENAMED_SINCE: u32 = 28;
const ON_SINCE: u32 = 33;
