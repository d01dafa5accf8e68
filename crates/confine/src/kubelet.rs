//! What a kubelet tells its container runtime about one container.
//!
//! The words between two halves of a cluster: a kubelet merges the two security contexts and sends them,
//! a runtime fills in its defaults. [`resolve()`](crate::resolve()) does both at once; this is the line
//! between them, for those who compare the two or explain one by the other. It answers for pods that this
//! build refuses, too: what a kubelet says does not depend on who enforces it.
//!
//! | since | |
//! |---|---|
//! | 1.19 | seccomp as a profile; before and until 1.27 as a text |
//! | 1.25 | a seccomp profile of the node without a name is an error; before it is none |
//! | 1.30 | AppArmor as a profile beside the text |
//! | 1.31 | the policy of supplementary groups |
//! | 1.33 | the user namespace |
//!
//! It stands here, and not with the refusals in `stockade-admit`, because it is made of the same pieces as
//! what is meant: [`Scope`], the order of precedence, the mechanisms. It takes the pod as given: what an
//! API server copies between annotations and fields is [`stockade_spec::sync()`].
//!
//! Does not know what a runtime makes of it.
//!
//! Source: Kubernetes `pkg/kubelet/kuberuntime/security_context.go`, `pkg/securitycontext`.

mod apparmor;
mod merge;
mod namespaces;
mod seccomp;

use stockade_abi::facts::{MountAccess, NoNewPrivs};
use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{Container, Pod};
use thiserror::Error;

use crate::container::GuardedPaths;
use crate::mechanism::identity::ImageUser;
use crate::mechanism::{no_new_privs, paths, root};
use crate::scope::Scope;
use crate::world::{ImageFacts, World};

pub use merge::effective_context;
pub use namespaces::{NamespaceMode, Namespaces};

/// The security context of a container, as a runtime is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Which system calls; `None` for a kubelet that has only the text.
    pub seccomp: Option<SecurityProfile>,
    /// The same as a text, for a kubelet that still has it. Empty if nothing is said.
    pub seccomp_text: Option<String>,
    /// The AppArmor profile; `None` leaves it to the runtime.
    pub apparmor: Option<SecurityProfile>,
    /// The same as a text. Empty if nothing is said.
    pub apparmor_text: String,
    /// Who the process is; `None` if neither the pod nor a known image says it.
    pub user: Option<RequestedUser>,
    /// Its group.
    pub group: Option<i64>,
    /// Its other groups, in the order in which they are sent.
    pub groups: Vec<i64>,
    /// Whether the image's groups count; `None` for a kubelet that does not ask.
    pub groups_policy: Option<GroupsPolicy>,
    /// Capabilities to add and to drop, as written.
    pub capabilities: Option<k8s::Capabilities>,
    /// The SELinux context, as written.
    pub selinux: Option<k8s::SELinuxOptions>,
    /// Whether the runtime is to confine it at all.
    pub privilege: Privilege,
    /// Whether `execve` may add privileges.
    pub no_new_privs: NoNewPrivs,
    /// Whether its root can be written.
    pub root: MountAccess,
    /// Paths to hide and to protect. Sent for privileged containers as well, and ignored there.
    pub paths: GuardedPaths,
    /// Which namespaces.
    pub namespaces: Namespaces,
}

/// A profile as a runtime is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecurityProfile {
    /// The runtime's own.
    RuntimeDefault,
    /// None.
    Unconfined,
    /// One of the node: a file for seccomp, a name for AppArmor.
    Localhost(String),
}

/// Who a process is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestedUser {
    /// A number.
    Id(i64),
    /// A name of the image's.
    Name(String),
}

/// Whether groups that the image gives its user count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupsPolicy {
    /// They do.
    Merge,
    /// They do not.
    Strict,
}

/// Whether a container is privileged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Privilege {
    /// It is: nearly everything else is ignored.
    Privileged,
    /// It is confined.
    Confined,
}

/// Why a kubelet would not ask for the container, in its words.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Unaskable {
    /// There is no such container.
    #[error("no container {0:?} in the pod")]
    NoContainer(String),
    /// A seccomp profile of the node without a name.
    #[error("localhostProfile must be set if seccompProfile type is Localhost.")]
    SeccompName,
    /// An AppArmor profile of the node without a name.
    #[error("missing localhost apparmor profile name")]
    AppArmorName,
    /// A type that is none.
    #[error("unknown apparmor profile type: {0:?}")]
    AppArmorType(String),
    /// A policy that is none.
    #[error("unsupported supplementalGroupsPolicy: {0}")]
    GroupsPolicy(String),
    /// A kubelet that has user namespaces switched off.
    #[error("the feature gate {0:?} is disabled: can't set spec.HostUsers")]
    UserNamespaces(&'static str),
}

/// What the kubelet of the world's version asks of its runtime for the container called `name`, with
/// seccomp profiles below the directory `profiles`.
///
/// # Errors
///
/// What the kubelet of that version says instead. An API server would not have let the pod through.
pub fn request(pod: &Pod, name: &str, world: &World, profiles: &str) -> Result<Request, Unaskable> {
    let Some(container) = pod.container(name) else {
        return Err(Unaskable::NoContainer(name.to_owned()));
    };
    let minor = world.node.legacy.minor();
    let spec = k8s::PodSpec::default();
    let spec = pod.spec().unwrap_or(&spec);
    let same = of_any_list(&container);
    let image = container.image.and_then(|it| world.images.get(it));
    let no_image = ImageFacts::default();
    let scope = Scope {
        pod,
        world,
        spec,
        container: &same,
        path: container.path.clone(),
        list: container.list,
        image: image.unwrap_or(&no_image),
    };

    let seccomp = seccomp::profile(&scope, minor, profiles)?;
    let seccomp_text = seccomp::text(&scope, minor, profiles)?;
    let (apparmor, apparmor_text) = apparmor::profile(&scope, minor)?;
    let group = scope.effective("runAsGroup", |it| it.run_as_group, |it| it.run_as_group);
    let context = effective_context(pod, &container);
    Ok(Request {
        seccomp,
        seccomp_text,
        apparmor,
        apparmor_text,
        user: user(&scope, image),
        group: group.map(|(id, _)| id),
        namespaces: namespaces::of(&scope, container.list, minor)?,
        groups: groups(&scope),
        groups_policy: groups_policy(&scope, minor)?,
        capabilities: context.capabilities,
        selinux: context.se_linux_options,
        privilege: if scope.is_privileged() { Privilege::Privileged } else { Privilege::Confined },
        no_new_privs: no_new_privs::resolve(&scope).value,
        root: root::resolve(&scope).value.access,
        paths: paths::asked_for(&scope, minor),
    })
}

/// The two types of containers have the same fields; of these only some count here.
fn of_any_list(container: &Container<'_>) -> k8s::Container {
    k8s::Container {
        name: container.name.to_owned(),
        image: container.image.map(ToOwned::to_owned),
        security_context: container.security_context.cloned(),
        ..k8s::Container::default()
    }
}

fn user(scope: &Scope<'_>, image: Option<&ImageFacts>) -> Option<RequestedUser> {
    let declared = scope.effective("runAsUser", |it| it.run_as_user, |it| it.run_as_user);
    if let Some((id, _)) = declared {
        return Some(RequestedUser::Id(id));
    }
    Some(match ImageUser::of(&image?.user) {
        ImageUser::Unset => RequestedUser::Id(0),
        ImageUser::Number(id) => RequestedUser::Id(id),
        ImageUser::Name(name) => RequestedUser::Name(name),
    })
}

fn groups(scope: &Scope<'_>) -> Vec<i64> {
    let Some(shared) = scope.shared() else { return Vec::new() };
    let listed = shared.supplemental_groups.iter().flatten();
    shared.fs_group.iter().chain(listed).copied().collect()
}

fn groups_policy(scope: &Scope<'_>, minor: u32) -> Result<Option<GroupsPolicy>, Unaskable> {
    if minor < GROUPS_POLICY_SINCE {
        return Ok(None);
    }
    let declared = scope.shared().and_then(|it| it.supplemental_groups_policy.as_deref());
    match declared {
        None | Some("Merge") => Ok(Some(GroupsPolicy::Merge)),
        Some("Strict") => Ok(Some(GroupsPolicy::Strict)),
        Some(other) => Err(Unaskable::GroupsPolicy(other.to_owned())),
    }
}

const GROUPS_POLICY_SINCE: u32 = 31;

#[cfg(test)]
mod tests;
