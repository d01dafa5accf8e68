//! Namespaces of a bundle: made, joined, or the host's; and what belongs to them.
//!
//! A kernel parameter or a name is set only in a namespace that this container makes: in one that
//! it joins it would change others, and in the host's the host.

use std::collections::BTreeMap;

use stockade_abi::{IdMap, NamespaceKind, NamespaceSet};
use stockade_spec::bundle::{IdMapping, NamespaceKind as Said};

use super::Desk;
use crate::container::{Sysctl, UserNamespace};
use crate::mechanism::sysctls as mechanism;
use crate::world::NodeUserNamespace;
use crate::{Origin, Sourced};

/// The namespaces of a container.
pub(super) struct Namespaces {
    /// All that are not the host's.
    pub(super) all: Sourced<NamespaceSet>,
    /// Those of them that exist already.
    pub(super) joined: Sourced<NamespaceSet>,
    /// Where they are.
    pub(super) joins: Vec<(NamespaceKind, Sourced<String>)>,
    /// Who is root inside.
    pub(super) user: Option<Sourced<UserNamespace>>,
}

pub(super) fn read(desk: &mut Desk<'_>) -> Namespaces {
    let mut joins = Vec::new();
    let mut all = NamespaceSet::EMPTY;
    for (index, namespace) in desk.linux.namespaces.iter().enumerate() {
        let kind = kind(namespace.kind);
        all = all.with(kind);
        if let Some(path) = namespace.path.as_ref().filter(|it| !it.is_empty()) {
            let origin = desk.origin(&format!("linux.namespaces[{index}].path"));
            joins.push((kind, Sourced::new(path.clone(), origin)));
        }
    }
    joins.sort_by_key(|it| it.0);
    let joined: NamespaceSet = joins.iter().map(|it| it.0).collect();
    if !all.contains(NamespaceKind::Mount) || joined.contains(NamespaceKind::Mount) {
        let why =
            "a mount namespace of its own is needed: without one the host's mounts would change";
        desk.unenforced("linux.namespaces", why);
    }
    let user = user_namespace(desk, all, joined);
    let origin = match desk.linux.namespaces.is_empty() {
        true => Origin::Default("the bundle lists no namespaces"),
        false => desk.origin("linux.namespaces"),
    };
    Namespaces {
        all: Sourced::new(all, origin.clone()),
        joined: Sourced::new(joined, origin),
        joins,
        user,
    }
}

fn user_namespace(
    desk: &mut Desk<'_>,
    all: NamespaceSet,
    joined: NamespaceSet,
) -> Option<Sourced<UserNamespace>> {
    let uids = id_map(desk, "linux.uidMappings", &desk.linux.uid_mappings);
    let gids = id_map(desk, "linux.gidMappings", &desk.linux.gid_mappings);
    let (uids, gids) = (uids?, gids?);
    let is_said = !uids.ranges().is_empty() || !gids.ranges().is_empty();
    if !all.contains(NamespaceKind::User) {
        if is_said {
            let why = "id maps without a user namespace in `linux.namespaces` have no effect";
            desk.wrong("linux.uidMappings", why);
        }
        if desk.node.user_namespace != NodeUserNamespace::NotNeeded {
            let why = "without root a user namespace is needed; list one in `linux.namespaces`";
            desk.unsupported("linux.namespaces", why);
        }
        return None;
    }
    if uids.ranges().is_empty() || gids.ranges().is_empty() {
        // Of one that is joined, too: they are what is verified, and ids depend on them.
        let why = "a user namespace needs `uidMappings` and `gidMappings`";
        desk.wrong("linux.namespaces", why);
        return None;
    }
    let maps = UserNamespace { uids, gids };
    if !joined.contains(NamespaceKind::User) {
        if !joined.is_empty() {
            let why = format!("{joined} cannot be joined from within a new user namespace");
            desk.unenforced("linux.namespaces", why);
        }
        if let NodeUserNamespace::Own(own) = &desk.node.user_namespace
            && *own != maps
        {
            let why = format!("without root only these ids can be mapped: {}", own.uids);
            desk.unsupported("linux.uidMappings", why);
        }
    }
    let origin = desk.origin("linux.uidMappings");
    Some(Sourced::new(maps, origin))
}

/// `None` only after a refusal.
fn id_map(desk: &mut Desk<'_>, path: &str, lines: &[IdMapping]) -> Option<IdMap> {
    let mut ranges = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let IdMapping { container_id, host_id, size } = *line;
        match stockade_abi::IdRange::new(container_id, host_id, size) {
            Some(range) => ranges.push(range),
            None => desk.wrong(
                &format!("{path}[{index}]"),
                format!("{size} ids from {container_id} and {host_id} on are no range of ids"),
            ),
        }
    }
    if ranges.len() != lines.len() {
        return None;
    }
    let map = IdMap::new(ranges);
    if map.is_none() {
        desk.wrong(path, "two ranges overlap, or there are more than 340");
    }
    map
}

/// `hostname` or `domainname`. An empty one says nothing.
pub(super) fn name(desk: &mut Desk<'_>, field: &str, own: NamespaceSet) -> Option<Sourced<String>> {
    let config = &desk.bundle.config;
    let said = if field == "hostname" { &config.hostname } else { &config.domainname };
    let name = said.as_ref().filter(|it| !it.is_empty())?.clone();
    if !own.contains(NamespaceKind::Uts) {
        desk.wrong(field, "can be set only in a new UTS namespace");
    }
    if name.len() > LONGEST_NAME {
        desk.wrong(field, format!("is longer than {LONGEST_NAME} bytes"));
    }
    let origin = desk.origin(field);
    Some(Sourced::new(name, origin))
}

pub(super) fn sysctls(desk: &mut Desk<'_>, own: NamespaceSet) -> Vec<Sourced<Sysctl>> {
    let mut all: BTreeMap<String, Sourced<Sysctl>> = BTreeMap::new();
    for (written, value) in &desk.linux.sysctl {
        let path = format!("linux.sysctl[{written}]");
        let name = mechanism::dotted(written);
        if !mechanism::is_name(written) {
            desk.wrong(&path, mechanism::not_a_name(written));
            continue;
        }
        match mechanism::namespace_of(&name) {
            None => {
                desk.unenforced(&path, format!("`{name}` is not known to belong to a namespace"));
            }
            Some(kind) if !own.contains(kind) => {
                desk.wrong(&path, format!("`{name}` can be set only in a new {kind} namespace"));
            }
            Some(_) => {}
        }
        let value = Sysctl { name: name.clone(), value: value.clone() };
        let sourced = Sourced::new(value, desk.origin(&path));
        if all.insert(name, sourced).is_some() {
            desk.wrong(&path, "is set twice, with dots and with slashes");
        }
    }
    all.into_values().collect()
}

const fn kind(said: Said) -> NamespaceKind {
    match said {
        Said::Cgroup => NamespaceKind::Cgroup,
        Said::Ipc => NamespaceKind::Ipc,
        Said::Mount => NamespaceKind::Mount,
        Said::Network => NamespaceKind::Net,
        Said::Pid => NamespaceKind::Pid,
        Said::Time => NamespaceKind::Time,
        Said::User => NamespaceKind::User,
        Said::Uts => NamespaceKind::Uts,
    }
}

/// `__NEW_UTS_LEN`.
const LONGEST_NAME: usize = 64;
