//! From said to meant: every default filled in, every value with its reason.

use stockade_abi::NamespaceSet;
use stockade_spec::k8s_openapi::api::core::v1::{self as k8s, PodSpec};
use stockade_spec::{ContainerList, FieldPath, Pod};

use crate::container::{Confinement, Container, Maker, PodConfinement, Resolved};
use crate::mechanism::{
    apparmor, capabilities, devices, hostname, identity, limits, namespaces, no_new_privs, paths,
    root, seccomp, selinux, sysctls, volumes,
};
use crate::scope::{Findings, Scope};
use crate::turn::{self, RestartDefault, RestartPolicy};
use crate::world::{ImageFacts, World};
use crate::{Origin, Reason, Refusal, Sourced, command, health, support};

/// Says what a pod amounts to on a node.
///
/// # Errors
///
/// Everything that this build or the node's files cannot honour, in the manifest's order; each
/// names the field and why. What a node *permits* is not judged here.
pub fn resolve(
    pod: &Pod,
    world: &World,
    restart: RestartDefault,
) -> Result<Resolved, Vec<Refusal>> {
    let mut findings = Findings::default();
    let empty = PodSpec::default();
    let spec = pod.spec().unwrap_or(&empty);
    support::examine(pod, spec, &mut findings);

    let pod_confinement = resolve_pod(pod, world, &mut findings);
    let restart = turn::of_pod(pod, spec, restart);
    let no_image = ImageFacts::default();
    let mut containers = Vec::with_capacity(spec.containers.len());
    let init = spec.init_containers.iter().flatten().enumerate();
    let regular = spec.containers.iter().enumerate();
    for (list, index, container) in (init.map(|(index, it)| (ContainerList::Init, index, it)))
        .chain(regular.map(|(index, it)| (ContainerList::Regular, index, it)))
    {
        let path = FieldPath::from("spec").child(list.field()).index(index);
        let image = container.image.as_ref().and_then(|it| world.images.get(it));
        if image.is_none() {
            let name = container.image.as_deref().unwrap_or_default();
            let place = pod.place(&path.child("image"));
            findings.refuse(
                Reason::ErrImageNeverPull,
                place,
                format!("image `{name}` is not here"),
            );
        }
        let image = image.unwrap_or(&no_image);
        let scope = Scope { pod, world, spec, container, path, list, image };
        containers.push(resolve_container(&scope, &pod_confinement, &restart, &mut findings));
    }

    let volumes = crate::volumes::resolve(pod, spec, world, &mut findings);
    let Findings { refusals, warnings } = findings;
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Resolved {
        name: pod.name().to_owned(),
        namespace: pod.namespace().to_owned(),
        pod: pod_confinement,
        volumes,
        containers,
        restart,
        grace_seconds: grace(pod, spec),
        warnings,
    })
}

fn resolve_pod(pod: &Pod, world: &World, findings: &mut Findings) -> PodConfinement {
    let (namespaces, user_namespace) = namespaces::resolve_pod(pod, world);
    namespaces::refuse_foreign(pod, user_namespace.as_ref(), findings);
    let hostname = hostname::resolve(pod, namespaces.value);
    PodConfinement {
        namespaces,
        maker: Maker::Pod,
        user_namespace,
        hostname,
        domainname: None,
        sysctls: sysctls::resolve(pod, world, findings),
        limits: limits::resolve_pod(world),
    }
}

fn resolve_container(
    scope: &Scope<'_>,
    pod: &PodConfinement,
    restart: &Sourced<RestartPolicy>,
    findings: &mut Findings,
) -> Container {
    let namespaces = namespaces::resolve(scope, &pod.namespaces);
    let capabilities = capabilities::resolve(scope, findings);
    let identity = identity::resolve(scope, findings);
    let user_namespace = pod.user_namespace.as_ref().map(|it| &it.value);
    identity::refuse_unmapped(scope, &identity.value, user_namespace, findings);
    let hostname =
        pod.hostname.as_ref().map_or(scope.world.node.hostname.as_str(), |it| it.value.as_str());
    let mut workload = command::resolve(scope, namespaces.value, hostname, findings);
    let volumes = volumes::resolve(scope, &workload.environment, findings);
    // Where a volume is mounted, nothing of ours is.
    workload.mounts.retain(|(it, _)| !volumes.iter().any(|own| own.value.target == it.target));
    let turn = turn::resolve(scope.list, scope.container);
    Container {
        name: scope.container.name.clone(),
        turn,
        restart: turn::restart(scope, turn, restart, findings),
        health: health::resolve(scope, findings),
        workload,
        confinement: Confinement {
            identity,
            seccomp: seccomp::resolve(scope, capabilities.value.bounding, findings),
            capabilities,
            no_new_privs: no_new_privs::resolve(scope),
            apparmor: apparmor::resolve(scope, findings),
            selinux: selinux::resolve(scope, findings),
            namespaces,
            root: root::resolve(scope),
            paths: paths::resolve(scope, findings),
            volumes,
            devices: devices::resolve(scope),
            limits: limits::resolve(scope, findings),
        },
    }
}

fn grace(pod: &Pod, spec: &k8s::PodSpec) -> Sourced<u64> {
    match spec.termination_grace_period_seconds {
        Some(seconds) => Sourced::new(
            u64::try_from(seconds).unwrap_or(0),
            Origin::Declared(pod.place(&"spec.terminationGracePeriodSeconds".into())),
        ),
        None => Sourced::default(30, "Kubernetes' own default"),
    }
}

/// The namespaces that the pod makes once and its containers join.
pub(crate) fn shared(pod: &PodConfinement) -> NamespaceSet {
    pod.namespaces.value
}

#[cfg(test)]
mod tests;
