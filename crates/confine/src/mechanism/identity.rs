//! Identity: user, group and supplementary groups of a container's process.
//!
//! | | |
//! |---|---|
//! | said | `runAsUser`, `runAsGroup`, `runAsNonRoot` (container, else pod), `fsGroup`, `supplementalGroups`, `supplementalGroupsPolicy` (pod), the image's `USER`, `/etc/passwd` and `/etc/group` |
//! | meant | [`Identity`] |
//! | done | `setgroups(2)`, `setresgid(2)`, `setresuid(2)` |
//! | seen | `Uid`, `Gid`, `Groups` in `/proc/<pid>/status`, translated by the user namespace's maps |
//!
//! A number is a number: an image in which a user is *called* `1000` does not change what
//! `runAsUser: 1000` means. An image user that is neither a number in range nor a name in the
//! image's `/etc/passwd` is refused. Source: the kubelet's `verifyRunAsNonRoot`, the group rules of
//! container runtimes for Kubernetes.

mod accounts;

use std::collections::BTreeSet;

use stockade_abi::facts::IdentityFacts;
use stockade_abi::{ContainerGid, ContainerUid, IdMap, Reading};

use crate::container::{Identity, UserNamespace};
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Stage, Step};
use crate::scope::{Findings, Scope, pod_place};
use crate::{Origin, Reason, Sourced};

use accounts::Account;
pub(crate) use accounts::ImageUser;

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<Identity> {
    let user = scope.effective("runAsUser", |it| it.run_as_user, |it| it.run_as_user);
    let group = scope.effective("runAsGroup", |it| it.run_as_group, |it| it.run_as_group);
    refuse_root_if_forbidden(scope, user.as_ref().map(|it| it.0), findings);

    let (account, origin) = match &user {
        Some((uid, place)) => {
            let uid = number(*uid);
            (accounts::of_number(scope.image, uid), Origin::Declared(place.clone()))
        }
        None if scope.image.user.is_empty() => (
            accounts::of_number(scope.image, 0),
            Origin::Default("the image names no user, which means root"),
        ),
        None => match accounts::of_image(scope.image) {
            Ok(account) => (account, Origin::Image(scope.image.reference.clone())),
            Err(why) => {
                let place = scope.field("image");
                findings.refuse_with_hint(
                    Reason::CreateContainerConfigError,
                    place.clone(),
                    why,
                    "set securityContext.runAsUser to a number",
                );
                (Account::default(), Origin::Declared(place))
            }
        },
    };

    let gid = group.map_or(account.gid, |(gid, _)| number(gid));
    let groups = supplementary_groups(scope, &account);
    Sourced::new(Identity { uid: account.uid, gid, groups, umask: Some(UMASK) }, origin)
}

/// The kubelet's check before it starts a container.
fn refuse_root_if_forbidden(scope: &Scope<'_>, user: Option<i64>, findings: &mut Findings) {
    let rule = scope.effective("runAsNonRoot", |it| it.run_as_non_root, |it| it.run_as_non_root);
    let Some((true, place)) = rule else { return };

    let why = match user {
        Some(0) => "container's runAsUser breaks non-root policy".to_owned(),
        Some(_) => return,
        None => match ImageUser::of(&scope.image.user) {
            ImageUser::Number(0) | ImageUser::Unset => {
                "container has runAsNonRoot and image will run as root".to_owned()
            }
            ImageUser::Number(uid) if i32::try_from(uid).is_err() => format!(
                "container has runAsNonRoot and image has an invalid user id ({uid}). (Must be \
                 1-(2147483647)): must be between 0 and 2147483647, inclusive"
            ),
            ImageUser::Number(_) => return,
            ImageUser::Name(name) => format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify \
                 user is non-root"
            ),
        },
    };
    findings.refuse_with_hint(
        Reason::CreateContainerConfigError,
        place,
        why,
        "set securityContext.runAsUser to a user id other than 0",
    );
}

fn supplementary_groups(scope: &Scope<'_>, account: &Account) -> Vec<u32> {
    let shared = scope.shared();
    let declared = shared.and_then(|it| it.supplemental_groups.as_deref()).unwrap_or_default();
    let fs_group = shared.and_then(|it| it.fs_group);
    let strict = shared.and_then(|it| it.supplemental_groups_policy.as_deref()) == Some("Strict");
    let from_image: &[u32] = if strict { &[] } else { &account.groups };

    let numbers = fs_group.iter().chain(declared).map(|it| number(*it));
    let all: BTreeSet<u32> = numbers.chain(from_image.iter().copied()).collect();
    all.into_iter().collect()
}

/// Ids were validated to lie in 0..=2147483647 before anything is resolved.
fn number(id: i64) -> u32 {
    u32::try_from(id).unwrap_or(u32::MAX)
}

/// Refuses what a user namespace with a single id cannot honour.
pub(crate) fn refuse_unmapped(
    scope: &Scope<'_>,
    identity: &Identity,
    namespace: Option<&UserNamespace>,
    findings: &mut Findings,
) {
    let Some(UserNamespace { uids, gids }) = namespace else { return };
    let mut refuse = |place, what: &str, id: u32| {
        findings.refuse_with_hint(
            Reason::Unsupported,
            place,
            format!("{what} {id} does not exist in the user namespace (only {uids} is mapped)"),
            "run Stockade as root",
        );
    };
    if uids.to_outside(identity.uid).is_none() {
        refuse(
            place_of(scope, "runAsUser", scope.own().is_some_and(|it| it.run_as_user.is_some())),
            "user",
            identity.uid,
        );
    }
    if gids.to_outside(identity.gid).is_none() {
        refuse(
            place_of(scope, "runAsGroup", scope.own().is_some_and(|it| it.run_as_group.is_some())),
            "group",
            identity.gid,
        );
    }
    let unmapped = |it: &&u32| gids.is_single() || gids.to_outside(**it).is_none();
    if let Some(group) = identity.groups.iter().find(unmapped) {
        refuse(pod_place(scope.pod, "supplementalGroups"), "supplementary group", *group);
    }
}

/// Where the user or group comes from, or where it would be set.
fn place_of(scope: &Scope<'_>, name: &str, own: bool) -> stockade_spec::Place {
    if own { scope.own_place(name) } else { pod_place(scope.pod, name) }
}

pub(crate) fn plan(identity: &Sourced<Identity>, namespace: Option<&UserNamespace>) -> Step {
    let Identity { uid, gid, groups, umask } = &identity.value;
    let may_set_groups = namespace.is_none_or(|it| !it.gids.is_single());
    Step::new(
        Stage::Identity,
        Action::SetIdentity {
            uid: *uid,
            gid: *gid,
            groups: may_set_groups.then(|| groups.clone()),
            umask: *umask,
        },
        identity.origin.clone(),
    )
}

pub(crate) fn expect(
    identity: &Sourced<Identity>,
    namespace: Option<&UserNamespace>,
) -> Reading<IdentityFacts> {
    let Identity { uid, gid, groups, umask: _ } = &identity.value;
    Reading::Known(IdentityFacts {
        uid: [ContainerUid(*uid); 4],
        gid: [ContainerGid(*gid); 4],
        groups: groups.iter().copied().map(ContainerGid).collect(),
        uid_map: namespace.map(|it| it.uids.clone()),
        gid_map: namespace.map(|it| it.gids.clone()),
    })
}

pub(crate) fn render(identity: &Identity) -> String {
    text(identity.uid, identity.gid, identity.groups.iter().copied())
}

fn text(uid: u32, gid: u32, groups: impl Iterator<Item = u32>) -> String {
    let groups: Vec<String> = groups.map(|it| it.to_string()).collect();
    let groups = if groups.is_empty() { "none".to_owned() } else { groups.join(" ") };
    format!("user {uid}, group {gid}, groups {groups}")
}

pub(crate) fn compare(expected: &IdentityFacts, seen: &Reading<IdentityFacts>) -> Finding {
    Finding::of(Mechanism::Identity, seen, |seen| {
        let shown = text(seen.uid[1].0, seen.gid[1].0, seen.groups.iter().map(|it| it.0));
        (shown, judge(expected, seen))
    })
}

fn judge(expected: &IdentityFacts, seen: &IdentityFacts) -> Verdict {
    let has = |ids: &[u32; 4], id: u32| ids.contains(&id);
    let uids = seen.uid.map(|it| it.0);
    let gids = seen.gid.map(|it| it.0);
    let all: Vec<u32> =
        seen.groups.iter().filter(|it| !expected.groups.contains(it)).map(|it| it.0).collect();
    // Where one id is mapped, nobody may call setgroups(2): the starter's groups stay, and show
    // inside as the id that stands for all that are not mapped.
    let kept = expected.gid_map.as_ref().is_some_and(IdMap::is_single) && all == [OVERFLOW];
    let extra: Vec<String> = all.iter().map(ToString::to_string).collect();

    if has(&uids, 0) && expected.uid[1].0 != 0 {
        Verdict::Weaker("a user id is 0".to_owned())
    } else if has(&gids, 0) && expected.gid[1].0 != 0 {
        Verdict::Weaker("a group id is 0".to_owned())
    } else if !extra.is_empty() && !kept {
        Verdict::Weaker(format!("also in group {}", extra.join(" ")))
    } else if seen.uid_map != expected.uid_map || seen.gid_map != expected.gid_map {
        Verdict::Weaker("the user namespace maps other ids".to_owned())
    } else if became_another(expected.uid[0].0, uids[0])
        || became_another(expected.gid[0].0, gids[0])
    {
        Verdict::Weaker(format!("runs as another: user {}, group {}", uids[0], gids[0]))
    } else if seen.uid != expected.uid || seen.gid != expected.gid {
        Verdict::Different(format!("user ids {uids:?}, group ids {gids:?}"))
    } else if kept {
        Verdict::Different("keeps groups of its starter, which only root could take away".into())
    } else if seen.groups != expected.groups {
        Verdict::Tighter("in fewer groups".to_owned())
    } else {
        Verdict::Holds
    }
}

/// Whether a real id is not that of whom was meant to run. Root may rightly have become somebody;
/// `execve` changes the real id of nobody, whatever the program.
fn became_another(meant: u32, seen: u32) -> bool {
    meant != 0 && seen != meant
}

/// `/proc/sys/kernel/overflowgid`.
const OVERFLOW: u32 = 65_534;

/// What containers are started with everywhere; the caller's own would say who can write to what
/// the container makes.
const UMASK: u32 = 0o022;

#[cfg(test)]
mod tests;
