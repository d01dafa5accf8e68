//! What a mechanism looks at while it resolves one container, and where it puts what it finds.

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{ContainerList, FieldPath, Place, Pod};

use crate::world::{ImageFacts, World};
use crate::{Origin, Reason, Refusal, Warning};

/// One container in its pod and world.
pub(crate) struct Scope<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) world: &'a World,
    pub(crate) spec: &'a k8s::PodSpec,
    pub(crate) container: &'a k8s::Container,
    pub(crate) path: FieldPath,
    pub(crate) list: ContainerList,
    pub(crate) image: &'a ImageFacts,
}

impl<'a> Scope<'a> {
    /// The container's security context.
    pub(crate) fn own(&self) -> Option<&'a k8s::SecurityContext> {
        self.container.security_context.as_ref()
    }

    /// The pod's security context.
    pub(crate) fn shared(&self) -> Option<&'a k8s::PodSecurityContext> {
        self.spec.security_context.as_ref()
    }

    /// The place of a field of the container.
    pub(crate) fn field(&self, name: &str) -> Place {
        self.pod.place(&self.path.child(name))
    }

    /// A value of the container's security context, else the pod's, with where it comes from.
    pub(crate) fn effective<T: Copy>(
        &self,
        name: &str,
        own: impl Fn(&k8s::SecurityContext) -> Option<T>,
        shared: impl Fn(&k8s::PodSecurityContext) -> Option<T>,
    ) -> Option<(T, Place)> {
        let own = self.own().and_then(own).map(|it| (it, self.own_place(name)));
        own.or_else(|| self.shared().and_then(shared).map(|it| (it, pod_place(self.pod, name))))
    }

    /// The place of a field of the container's security context.
    pub(crate) fn own_place(&self, name: &str) -> Place {
        self.field(&format!("securityContext.{name}"))
    }

    /// Whether the container is privileged.
    pub(crate) fn is_privileged(&self) -> bool {
        self.own().and_then(|it| it.privileged) == Some(true)
    }
}

/// What fields and annotations say about one container's profile, level by level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<T> {
    pub(crate) own_field: Option<T>,
    pub(crate) own_annotation: Option<T>,
    pub(crate) pod_field: Option<T>,
    pub(crate) pod_annotation: Option<T>,
}

impl<T> Said<T> {
    /// The one that counts: the container goes before the pod, and a field before the annotation of
    /// its level. So a container's annotation goes before the pod's field, as in every kubelet.
    pub(crate) fn first(self) -> Option<T> {
        let Self { own_field, own_annotation, pod_field, pod_annotation } = self;
        own_field.or(own_annotation).or(pod_field).or(pod_annotation)
    }
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self { own_field: None, own_annotation: None, pod_field: None, pod_annotation: None }
    }
}

/// The place of a field of the pod's security context.
pub(crate) fn pod_place(pod: &Pod, name: &str) -> Place {
    pod.place(&FieldPath::from("spec.securityContext").child(name))
}

/// What resolving has found besides the values.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) warnings: Vec<Warning>,
}

impl Findings {
    pub(crate) fn refuse(&mut self, reason: Reason, place: Place, why: impl Into<String>) {
        self.refusals.push(Refusal { reason, place, why: why.into(), hint: None });
    }

    pub(crate) fn refuse_with_hint(
        &mut self,
        reason: Reason,
        place: Place,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.refusals.push(Refusal { reason, place, why: why.into(), hint: Some(hint.into()) });
    }

    pub(crate) fn warn(&mut self, origin: Origin, what: impl Into<String>) {
        self.warnings.push(Warning { origin, what: what.into() });
    }
}
