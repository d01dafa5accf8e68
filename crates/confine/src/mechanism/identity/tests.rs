use super::*;
use crate::testing::{amiss, map, refusals, resolved, secured, users_node, world_with};
use crate::world::{ImageFacts, World};

/// An image in which a user is called as another one's number, and one has groups.
fn image(user: &str) -> World {
    world_with(ImageFacts {
        reference: "i:latest".to_owned(),
        user: user.to_owned(),
        passwd: Some("root:x:0:0::/:\n1000:x:0:0::/:\nweb:x:33:34::/:\n".to_owned()),
        group: Some("root:x:0:\nwww:x:44:web\n".to_owned()),
        ..ImageFacts::default()
    })
}

#[test]
fn who_runs() {
    for (shows, user, shared, own, expected) in [
        ("nothing said is root", "", "", "", "user 0, group 0, groups none"),
        ("the image's user by name", "web", "", "", "user 33, group 34, groups 44"),
        ("the image's user by number", "33", "", "", "user 33, group 34, groups 44"),
        ("the image's group", "web:7", "", "", "user 33, group 7, groups 44"),
        ("the pod's user", "web", "runAsUser: 5", "", "user 5, group 0, groups none"),
        (
            "the container's user",
            "web",
            "runAsUser: 5",
            "runAsUser: 6",
            "user 6, group 0, groups none",
        ),
        ("a known user's group", "", "", "runAsUser: 33", "user 33, group 34, groups 44"),
        ("a number is a number", "", "", "runAsUser: 1000", "user 1000, group 0, groups none"),
        ("a group without a user", "web", "", "runAsGroup: 9", "user 33, group 9, groups 44"),
        (
            "group 0 is a group",
            "web",
            "runAsGroup: 9",
            "runAsGroup: 0",
            "user 33, group 0, groups 44",
        ),
        ("user 0 is a user", "web", "runAsUser: 5", "runAsUser: 0", "user 0, group 0, groups none"),
        (
            "groups from everywhere, each once",
            "web",
            "fsGroup: 3, supplementalGroups: [44, 2, 3]",
            "",
            "user 33, group 34, groups 2 3 44",
        ),
        (
            "only those that are listed",
            "web",
            "supplementalGroups: [2], supplementalGroupsPolicy: Strict",
            "",
            "user 33, group 34, groups 2",
        ),
        (
            "Merge is the default's name",
            "web",
            "supplementalGroups: [2], supplementalGroupsPolicy: Merge",
            "",
            "user 33, group 34, groups 2 44",
        ),
        ("the largest", "", "", "runAsUser: 2147483647", "user 2147483647, group 0, groups none"),
    ] {
        let resolved = resolved(&secured(shared, own), &image(user));
        assert_eq!(render(&resolved.containers[0].confinement.identity.value), expected, "{shows}");
    }
}

#[test]
fn root_where_it_is_forbidden() {
    let own = "spec.containers[0].securityContext.runAsNonRoot: CreateContainerConfigError: ";
    let shared = "spec.securityContext.runAsNonRoot: CreateContainerConfigError: ";
    let root = "container has runAsNonRoot and image will run as root";
    let breaks = "container's runAsUser breaks non-root policy";
    for (user, pod, container, expected) in [
        ("", "", "runAsNonRoot: false", String::new()),
        ("", "", "runAsNonRoot: true", format!("{own}{root}")),
        ("0", "", "runAsNonRoot: true", format!("{own}{root}")),
        ("0:5", "", "runAsNonRoot: true", format!("{own}{root}")),
        ("00", "", "runAsNonRoot: true", format!("{own}{root}")),
        ("33", "", "runAsNonRoot: true", String::new()),
        ("33:0", "", "runAsNonRoot: true", String::new()),
        ("", "runAsNonRoot: true", "", format!("{shared}{root}")),
        ("", "runAsNonRoot: true", "runAsNonRoot: false", String::new()),
        ("", "runAsNonRoot: false", "runAsNonRoot: true", format!("{own}{root}")),
        ("33", "", "runAsNonRoot: true, runAsUser: 0", format!("{own}{breaks}")),
        ("33", "runAsUser: 0", "runAsNonRoot: true", format!("{own}{breaks}")),
        ("33", "runAsUser: 0", "runAsNonRoot: true, runAsUser: 1", String::new()),
        ("", "", "runAsNonRoot: true, runAsUser: 1", String::new()),
        ("web", "", "runAsNonRoot: true, runAsUser: 1", String::new()),
        (
            "web",
            "",
            "runAsNonRoot: true",
            format!(
                "{own}container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"
            ),
        ),
    ] {
        let told = refusals(&secured(pod, container), &image(user));
        assert_eq!(told.join("; "), expected, "{user} {pod} {container}");
    }
    let told = refusals(&secured("", "runAsNonRoot: true"), &image("2147483648"));
    assert_eq!(
        told[0],
        format!(
            "{own}container has runAsNonRoot and image has an invalid user id (2147483648). (Must be \
             1-(2147483647)): must be between 0 and 2147483647, inclusive"
        )
    );
}

#[test]
fn an_image_user_that_is_nobody_is_refused() {
    let at = "spec.containers[0].image: CreateContainerConfigError: ";
    for (user, own, expected) in [
        ("nobody", "", format!("{at}the image's user `nobody` is not in its /etc/passwd")),
        ("nobody", "runAsUser: 1", String::new()),
        ("4294967296", "", format!("{at}the image's user `4294967296` is outside 0 to 2147483647")),
        ("-1", "", format!("{at}the image's user `-1` is not in its /etc/passwd")),
        ("1e3", "", format!("{at}the image's user `1e3` is not in its /etc/passwd")),
        ("0x0", "", format!("{at}the image's user `0x0` is not in its /etc/passwd")),
    ] {
        assert_eq!(refusals(&secured("", own), &image(user)).join("; "), expected, "{user} {own}");
    }
}

#[test]
fn ids_that_a_user_namespace_lacks_are_refused() {
    let world = World { node: users_node(), ..image("") };
    for (shared, own, expected) in [
        ("", "", ""),
        ("runAsUser: 0, runAsGroup: 0", "", ""),
        ("", "runAsUser: 1", "spec.containers[0].securityContext.runAsUser: Unsupported"),
        ("runAsUser: 1", "", "spec.securityContext.runAsUser: Unsupported"),
        ("", "runAsGroup: 1", "spec.containers[0].securityContext.runAsGroup: Unsupported"),
        ("supplementalGroups: [0]", "", "spec.securityContext.supplementalGroups: Unsupported"),
        ("fsGroup: 5", "", "spec.securityContext.supplementalGroups: Unsupported"),
    ] {
        let told = refusals(&secured(shared, own), &world);
        let named: Vec<&str> = told.iter().filter_map(|it| it.split(": user \n").next()).collect();
        let begins = named.iter().all(|it| it.starts_with(expected));
        assert!(
            begins && named.len() == usize::from(!expected.is_empty()),
            "{shared} {own}: {told:?}"
        );
    }
}

#[test]
fn only_the_same_ids_hold() {
    let facts = |uid: [u32; 4], gid: [u32; 4], groups: &[u32]| IdentityFacts {
        uid: uid.map(ContainerUid),
        gid: gid.map(ContainerGid),
        groups: groups.iter().copied().map(ContainerGid).collect(),
        uid_map: None,
        gid_map: None,
    };
    let meant = facts([5; 4], [6; 4], &[7, 8]);
    for (shows, seen, verdict) in [
        ("the same", facts([5; 4], [6; 4], &[7, 8]), "ok"),
        ("root", facts([0; 4], [6; 4], &[7, 8]), "WEAKER"),
        ("a saved root", facts([5, 5, 0, 5], [6; 4], &[7, 8]), "WEAKER"),
        ("a file system root", facts([5, 5, 5, 0], [6; 4], &[7, 8]), "WEAKER"),
        ("root's group", facts([5; 4], [0; 4], &[7, 8]), "WEAKER"),
        ("another group", facts([5; 4], [6; 4], &[7, 8, 27]), "WEAKER"),
        ("root's group among the others", facts([5; 4], [6; 4], &[0, 7, 8]), "WEAKER"),
        ("another user", facts([9; 4], [6; 4], &[7, 8]), "WEAKER"),
        ("another group", facts([5; 4], [9; 4], &[7, 8]), "WEAKER"),
        ("a set-user-id program", facts([5, 9, 9, 9], [6; 4], &[7, 8]), "different"),
        ("fewer groups", facts([5; 4], [6; 4], &[7]), "tighter"),
    ] {
        assert_eq!(judge(&meant, &seen).to_string(), verdict, "{shows}");
    }
    let mapped = |length| IdentityFacts {
        uid_map: Some(map(0, 1000, length)),
        gid_map: Some(map(0, 1000, length)),
        ..facts([0; 4], [0; 4], &[])
    };
    let with = |groups: &[u32], facts: IdentityFacts| IdentityFacts {
        groups: groups.iter().copied().map(ContainerGid).collect(),
        ..facts
    };
    for (shows, meant, seen, verdict) in [
        ("the same map", mapped(1), mapped(1), "ok"),
        ("another map", mapped(1), mapped(2), "WEAKER"),
        ("no map", mapped(1), facts([0; 4], [0; 4], &[]), "WEAKER"),
        ("groups that nobody may drop", mapped(1), with(&[65_534], mapped(1)), "different"),
        ("a group that is mapped", mapped(1), with(&[0], mapped(1)), "WEAKER"),
        ("groups that could be dropped", mapped(9), with(&[65_534], mapped(9)), "WEAKER"),
    ] {
        assert_eq!(judge(&meant, &seen).to_string(), verdict, "{shows}");
    }
    let unread = compare(&meant, &Reading::unreadable("EACCES"));
    assert_eq!(amiss(&[unread]), ["identity: could not tell Some(\"EACCES\")"]);
}
