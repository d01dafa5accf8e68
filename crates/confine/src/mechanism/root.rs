//! Root file system: an overlay of the image's layers, or a bundle's directory.
//!
//! | | |
//! |---|---|
//! | said | `image`, `securityContext.readOnlyRootFilesystem` of a container |
//! | meant | [`Root`] |
//! | done | overlayfs, `pivot_root(2)`, `mount_setattr(2)` |
//! | seen | the root mount in `/proc/<pid>/mountinfo` |

use stockade_abi::Reading;
use stockade_abi::facts::MountAccess;

use crate::container::Root;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, OverlayAttributes, Propagation, RootSource, Stage, Step};
use crate::scope::Scope;
use crate::world::NodeUserNamespace;
use crate::{Origin, Sourced};

pub(crate) fn resolve(scope: &Scope<'_>) -> Sourced<Root> {
    let attributes = match scope.world.node.user_namespace {
        NodeUserNamespace::NotNeeded => OverlayAttributes::Trusted,
        NodeUserNamespace::Own(_) => OverlayAttributes::User,
    };
    let source = RootSource::Overlay { layers: scope.image.layers.clone(), attributes };
    match scope.own().and_then(|it| it.read_only_root_filesystem) {
        None => Sourced::default(
            Root { source, access: MountAccess::ReadWrite, propagation: Propagation::Private },
            "writable unless the container forbids it",
        ),
        Some(read_only) => Sourced::new(
            Root {
                source,
                access: if read_only { MountAccess::ReadOnly } else { MountAccess::ReadWrite },
                propagation: Propagation::Private,
            },
            Origin::Declared(scope.own_place("readOnlyRootFilesystem")),
        ),
    }
}

pub(crate) fn plan(root: &Sourced<Root>) -> Vec<Step> {
    let step = |stage, action| Step::new(stage, action, root.origin.clone());
    let mut steps = vec![
        match root.value.propagation {
            Propagation::Private => Step::always(
                Stage::Propagation,
                Action::SetPropagation(Propagation::Private),
                "mounts stay in the container",
            ),
            wanted @ (Propagation::Slave | Propagation::Shared) => {
                step(Stage::Propagation, Action::SetPropagation(wanted))
            }
        },
        step(Stage::RootMount, Action::MountRoot(root.value.source.clone())),
        Step::always(Stage::PivotRoot, Action::PivotRoot, "the host's files go out of reach"),
    ];
    if root.value.access == MountAccess::ReadOnly {
        steps.push(step(Stage::RootAccess, Action::RootReadOnly));
    }
    steps
}

pub(crate) fn expect(root: &Sourced<Root>) -> Reading<MountAccess> {
    Reading::Known(root.value.access)
}

pub(crate) fn render(access: MountAccess) -> String {
    match access {
        MountAccess::ReadOnly => "read-only".to_owned(),
        MountAccess::ReadWrite => "writable".to_owned(),
    }
}

pub(crate) fn compare(expected: MountAccess, seen: &Reading<MountAccess>) -> Finding {
    Finding::of(Mechanism::Root, seen, |seen| {
        let verdict = match (expected, *seen) {
            (MountAccess::ReadOnly, MountAccess::ReadWrite) => {
                Verdict::Weaker("the root file system can be written".to_owned())
            }
            (MountAccess::ReadWrite, MountAccess::ReadOnly) => {
                Verdict::Tighter("the root file system is read-only".to_owned())
            }
            (MountAccess::ReadOnly, MountAccess::ReadOnly)
            | (MountAccess::ReadWrite, MountAccess::ReadWrite) => Verdict::Holds,
        };
        (render(*seen), verdict)
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{resolved, secured, users_node, world};
    use crate::world::World;

    #[test]
    fn only_an_explicit_true_makes_the_root_read_only() {
        for (own, expected) in [
            ("", "writable"),
            ("readOnlyRootFilesystem: false", "writable"),
            ("readOnlyRootFilesystem: true", "read-only"),
            ("readOnlyRootFilesystem: true, privileged: true", "read-only"),
        ] {
            let resolved = resolved(&secured("", own), &world());
            let root = &resolved.containers[0].confinement.root;
            assert_eq!(render(root.value.access), expected, "{own}");
            let read_only = plan(root).iter().any(|it| it.action == Action::RootReadOnly);
            assert_eq!(read_only, expected == "read-only", "{own}");
        }
    }

    #[test]
    fn overlayfs_keeps_its_attributes_where_it_may() {
        let users = World { node: users_node(), ..world() };
        for (world, expected) in
            [(world(), OverlayAttributes::Trusted), (users, OverlayAttributes::User)]
        {
            let resolved = resolved(&secured("", ""), &world);
            let source = &resolved.containers[0].confinement.root.value.source;
            let RootSource::Overlay { attributes, .. } = source else { panic!("{source:?}") };
            assert_eq!(*attributes, expected);
        }
    }

    #[test]
    fn a_root_that_can_be_written_is_weaker() {
        use MountAccess::{ReadOnly, ReadWrite};
        for (meant, seen, verdict) in [
            (ReadOnly, ReadOnly, "ok"),
            (ReadOnly, ReadWrite, "WEAKER"),
            (ReadWrite, ReadOnly, "tighter"),
            (ReadWrite, ReadWrite, "ok"),
        ] {
            let found = compare(meant, &Reading::Known(seen));
            assert_eq!(found.verdict.to_string(), verdict, "{meant:?} {seen:?}");
        }
    }
}
