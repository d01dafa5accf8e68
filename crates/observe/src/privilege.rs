//! Who we are, and what the kernel lets us do as that.
//!
//! Root is who has effective user id 0 *and* `CAP_SYS_ADMIN`; root without it, as in most
//! containers, can do no more than an ordinary user. Whether an ordinary user may make a user
//! namespace is found by doing it in a child and using a capability in there: some systems let the
//! namespace be made and then deny every capability in it. The settings that are known to forbid
//! it are named, for whoever wants to change them.
//!
//! Source: user_namespaces(7), capabilities(7).

use std::os::fd::BorrowedFd;

use rustix::system::{sethostname, uname};
use stockade_abi::host::Privilege;
use stockade_abi::{Capability, NamespaceKind, NamespaceSet, Reading, Why};

use crate::bounded;
use crate::file::{self, host_text, words};
use crate::status::{self, Status};

/// Reads who we are and, for an ordinary user, tries.
pub(crate) fn read(procfs: BorrowedFd<'_>) -> Result<Privilege, Why> {
    let ourselves = status::parse(&file::read(procfs, b"thread-self/status", status::LIMIT)?)?;
    judge(ourselves, user_namespace)
}

fn judge(ourselves: Status, attempt: impl FnOnce() -> Result<(), Why>) -> Result<Privilege, Why> {
    let (ids, sets) = (ourselves.ids?, ourselves.capabilities?);
    let [_, uid, ..] = ids.uid;
    let [_, gid, ..] = ids.gid;
    if uid == 0 && sets.effective.contains(Capability::SysAdmin) {
        return Ok(Privilege::Root { capabilities: sets.bounding.intersection(sets.permitted) });
    }
    Ok(Privilege::User { uid, gid, user_namespace: Reading::from(attempt()) })
}

fn user_namespace() -> Result<(), Why> {
    let namespaces = NamespaceSet::EMPTY.with(NamespaceKind::User).with(NamespaceKind::Uts);
    let answers = bounded::ask(1, namespaces, |answers| {
        // Needs CAP_SYS_ADMIN in the new namespace and changes nothing outside of it.
        let renamed = sethostname(uname().nodename().to_bytes());
        let failed =
            |errno| Why(format!("no capabilities in a new user namespace: {}", words(errno)));
        answers.send(&renamed.map(|()| Vec::new()).map_err(failed));
    });
    let refused = answers.into_iter().find_map(Result::err);
    refused.map_or(Ok(()), |Why(why)| {
        let known =
            SETTINGS.iter().filter(|(path, value)| host_text(path).is_ok_and(|it| it == *value));
        Err(Why(known.fold(why, |why, (path, value)| format!("{why}; {path} is {value}"))))
    })
}

/// Settings that forbid user namespaces to ordinary users, and the value with which they do.
const SETTINGS: &[(&str, &str)] = &[
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
];

#[cfg(test)]
mod tests {
    use stockade_abi::facts::NoNewPrivs;
    use stockade_abi::{CapabilitySet, CapabilitySets};

    use super::*;
    use crate::status::Ids;

    #[test]
    fn root_is_who_has_the_id_and_the_capability() {
        let admin = CapabilitySet::EMPTY.with(Capability::SysAdmin).with(Capability::Kill);
        let kill = CapabilitySet::EMPTY.with(Capability::Kill);
        for (uid, effective, expected) in [
            (0, admin, Privilege::Root { capabilities: kill }),
            (0, kill, user(0)),
            (1000, admin, user(1000)),
            (1000, CapabilitySet::EMPTY, user(1000)),
        ] {
            let status = Status {
                ids: Ok(Ids { uid: [7, uid, 7, 7], gid: [7, 5, 7, 7], groups: vec![] }),
                capabilities: Ok(CapabilitySets {
                    bounding: kill.with(Capability::Chown),
                    permitted: admin,
                    effective,
                    ..CapabilitySets::default()
                }),
                no_new_privs: Ok(NoNewPrivs::Unset),
                seccomp: Err(Why("not needed".into())),
            };
            let found = judge(status, || Err(Why("tried".into())));
            assert_eq!(found, Ok(expected), "{uid} {effective}");
        }
    }

    fn user(uid: u32) -> Privilege {
        Privilege::User { uid, gid: 5, user_namespace: Reading::unreadable("tried") }
    }
}
