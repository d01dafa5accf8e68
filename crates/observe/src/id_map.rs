//! Who a process is, in the words of its own user namespace.
//!
//! `status` and `uid_map` of another process both speak in the observer's ids, so one translates
//! the other. In the observer's own user namespace there is nothing to translate.
//!
//! Source: user_namespaces(7), "User and group ID mappings".

use stockade_abi::facts::IdentityFacts;
use stockade_abi::{ContainerGid, ContainerUid, HostId, IdMap, IdRange, Why};

use crate::namespaces::Membership;
use crate::status::Ids;
use crate::subject::Subject;

/// Translates what `status` says to the inside.
pub(crate) fn identity(
    subject: &Subject,
    ids: Result<Ids, Why>,
    user_namespace: Result<Membership, Why>,
) -> Result<IdentityFacts, Why> {
    let ids = ids?;
    match user_namespace? {
        Membership::Shared => Ok(IdentityFacts {
            uid: ids.uid.map(ContainerUid),
            gid: ids.gid.map(ContainerGid),
            groups: ascending(ids.groups),
            uid_map: None,
            gid_map: None,
        }),
        Membership::Own => {
            let map = |name| parse(&subject.text(name, crate::file::SMALL)?);
            inside(&ids, map("uid_map")?, map("gid_map")?)
        }
    }
}

fn inside(ids: &Ids, uid_map: IdMap, gid_map: IdMap) -> Result<IdentityFacts, Why> {
    let uid = all_inside(&uid_map, ids.uid, "user")?.map(ContainerUid);
    let gid = all_inside(&gid_map, ids.gid, "group")?.map(ContainerGid);
    // A group that is not mapped is kept by whoever could not call setgroups(2). It still opens
    // files of that group, so it must not vanish: it stands as the kernel shows it inside.
    let groups = ids.groups.iter().map(|it| gid_map.to_inside(HostId(*it)).unwrap_or(OVERFLOW));
    let groups = ascending(groups.collect());
    Ok(IdentityFacts { uid, gid, groups, uid_map: Some(uid_map), gid_map: Some(gid_map) })
}

fn all_inside(map: &IdMap, ids: [u32; 4], kind: &str) -> Result<[u32; 4], Why> {
    let mut found = [0; 4];
    for (slot, id) in found.iter_mut().zip(ids) {
        *slot = map.to_inside(HostId(id)).ok_or_else(|| {
            Why(format!("{kind} id {id} is not mapped in the process's user namespace"))
        })?;
    }
    Ok(found)
}

fn ascending(mut groups: Vec<u32>) -> Vec<ContainerGid> {
    groups.sort_unstable();
    groups.dedup();
    groups.into_iter().map(ContainerGid).collect()
}

fn parse(text: &str) -> Result<IdMap, Why> {
    let ranges = text.lines().map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(inside)), Some(Ok(outside)), Some(Ok(length)), None) => {
                IdRange::new(inside, outside, length)
            }
            _ => None,
        }
    });
    let map = ranges.collect::<Option<Vec<_>>>().and_then(IdMap::new);
    map.ok_or_else(|| Why(format!("`{}` is no map of ids", text.trim_end().escape_debug())))
}

/// The kernel's default for ids that are not mapped (`/proc/sys/kernel/overflowgid`).
const OVERFLOW: u32 = 65534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_strictly() {
        for (text, expected) in [
            ("         0     100000      65536\n", Some("0 100000 65536")),
            ("0 1000 1\n1 100000 65536\n", Some("0 1000 1, 1 100000 65536")),
            ("", Some("")),
            ("0 0 4294967295\n", Some("0 0 4294967295")),
            ("0 4294967295 1\n", None),
            ("0 0 0\n", None),
            ("0 1000\n", None),
            ("0 1000 1 1\n", None),
            ("0 -1 1\n", None),
            ("0 1000 10\n5 9000 1\n", None),
        ] {
            let found = parse(text).ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn ids_are_translated_or_unreadable_and_groups_never_vanish() {
        let map = || parse("0 100000 10\n10 5000 1\n").unwrap();
        let ids =
            |uid: [u32; 4], groups: &[u32]| Ids { uid, gid: [100_001; 4], groups: groups.into() };

        let found =
            inside(&ids([100_000, 5000, 100_009, 100_000], &[4, 5000, 100_002, 5]), map(), map());
        let found = found.unwrap();
        assert_eq!(found.uid, [0, 10, 9, 0].map(ContainerUid));
        assert_eq!(found.gid, [1; 4].map(ContainerGid));
        assert_eq!(found.groups, [2, 10, OVERFLOW].map(ContainerGid));

        let unmapped = inside(&ids([100_000, 0, 100_000, 100_000], &[]), map(), map());
        assert!(unmapped.unwrap_err().0.starts_with("user id 0 is not mapped"));
    }
}
