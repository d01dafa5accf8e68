//! A small kernel: does the steps of a plan on a few numbers, and says what it would show of the
//! process. It gives nothing that the real one would refuse, and its process is started by somebody
//! untidy: with groups, with inheritable capabilities.
//!
//! Source: capabilities(7), user_namespaces(7), seccomp(2).

mod show;

use std::collections::BTreeMap;

use stockade_abi::bpf::Program;
use stockade_abi::facts::{DeviceRule, MountAccess, NoNewPrivs, PathAccess};
use stockade_abi::host::{Host, Privilege};
use stockade_abi::{
    Architecture, Capability, CapabilitySet, CapabilitySets, HostId, IdMap, NamespaceKind,
    NamespaceSet, ProcessFacts,
};
use stockade_seccomp as engine;

use super::ALL;
use crate::limits::Limits;
use crate::mechanism::sysctls::namespace_of;
use crate::plan::{Action, Plan, SecurityModule, SetGroups, Step};
use crate::workload::{Mount, MountSource, Recursion};

/// What the kernel shows of the process at its first instruction, asked about what `expected`
/// speaks of. `made` is the plan of its pod.
pub(crate) fn facts(
    made: Option<&Plan>,
    plan: &Plan,
    host: &Host,
    expected: &ProcessFacts,
) -> Result<ProcessFacts, String> {
    let mut pod = Process::of_the_starter(host, Process::no_pod());
    for step in made.iter().flat_map(|it| it.steps()) {
        pod.act(step)?;
    }
    run(plan.steps(), host, expected, pod)
}

/// The same for a list of steps that is no plan of ours.
pub(crate) fn facts_of(
    made: Option<&Plan>,
    steps: &[Step],
    host: &Host,
    expected: &ProcessFacts,
) -> Result<ProcessFacts, String> {
    let mut pod = Process::of_the_starter(host, Process::no_pod());
    for step in made.iter().flat_map(|it| it.steps()) {
        pod.act(step)?;
    }
    run(steps, host, expected, pod)
}

fn run(
    steps: &[Step],
    host: &Host,
    expected: &ProcessFacts,
    pod: Process,
) -> Result<ProcessFacts, String> {
    let mut process = Process::of_the_starter(host, Shared::of(pod));
    for step in steps {
        process.act(step).map_err(|why| format!("{:?} {:?}: {why}", step.stage, step.action))?;
    }
    if process.runs { Ok(process.show(host, expected)) } else { Err("nothing runs".to_owned()) }
}

/// What a container finds in its pod's namespaces.
#[derive(Clone, Debug)]
struct Shared {
    namespaces: NamespaceSet,
    hostname: String,
    sysctls: BTreeMap<String, String>,
    maps: Option<(IdMap, IdMap, SetGroups)>,
}

impl Shared {
    fn of(pod: Process) -> Self {
        let Process { namespaces, hostname, sysctls, maps, .. } = pod;
        Self { namespaces, hostname, sysctls, maps }
    }
}

#[derive(Clone, Debug)]
struct Process {
    pod: Shared,
    born: bool,
    runs: bool,
    /// As the initial user namespace counts.
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    caps: CapabilitySets,
    no_new_privs: NoNewPrivs,
    filters: Vec<Program>,
    handles: Vec<&'static str>,
    labels: BTreeMap<&'static str, String>,
    namespaces: NamespaceSet,
    maps: Option<(IdMap, IdMap, SetGroups)>,
    cgroup: Option<(Limits, Option<Vec<DeviceRule>>)>,
    is_in_cgroup: bool,
    has_root: bool,
    has_pivoted: bool,
    root: MountAccess,
    paths: BTreeMap<String, PathAccess>,
    mounts: BTreeMap<String, MountAccess>,
    sysctls: BTreeMap<String, String>,
    hostname: String,
}

type Done = Result<(), String>;

impl Process {
    fn no_pod() -> Shared {
        Shared {
            namespaces: NamespaceSet::EMPTY,
            hostname: "node".to_owned(),
            sysctls: BTreeMap::new(),
            maps: None,
        }
    }

    fn of_the_starter(host: &Host, pod: Shared) -> Self {
        let (id, groups, ours) = match host.privilege {
            Privilege::Root { capabilities } => (0, vec![0, 4, 27, 999], capabilities),
            Privilege::User { uid, .. } => (uid, Vec::new(), CapabilitySet::EMPTY),
        };
        Self {
            pod,
            born: false,
            runs: false,
            uid: id,
            gid: id,
            groups,
            caps: CapabilitySets {
                bounding: ALL,
                effective: ours,
                permitted: ours,
                inheritable: ours,
                ambient: CapabilitySet::EMPTY.with(Capability::NetRaw).intersection(ours),
            },
            no_new_privs: NoNewPrivs::Unset,
            filters: Vec::new(),
            handles: Vec::new(),
            labels: BTreeMap::new(),
            namespaces: NamespaceSet::EMPTY,
            maps: None,
            cgroup: None,
            is_in_cgroup: false,
            has_root: false,
            has_pivoted: false,
            root: MountAccess::ReadWrite,
            paths: BTreeMap::new(),
            mounts: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            hostname: "node".to_owned(),
        }
    }

    fn act(&mut self, step: &Step) -> Done {
        match &step.action {
            Action::MakeCgroup { limits, devices } => {
                self.needs(Capability::SysAdmin)?;
                self.cgroup = Some((*limits, devices.clone()));
                Ok(())
            }
            Action::Birth { unshare } => self.be_born(*unshare),
            Action::WriteIdMaps { uids, gids, set_groups } => {
                ensure(self.born && self.has(NamespaceKind::User), "no user namespace")?;
                ensure(self.maps.is_none(), "maps are written once")?;
                self.maps = Some((uids.clone(), gids.clone(), *set_groups));
                Ok(())
            }
            _ if !self.born => Err("nobody is there yet".to_owned()),
            Action::EnterCgroup => {
                ensure(self.cgroup.is_some(), "there is no cgroup")?;
                self.is_in_cgroup = true;
                Ok(())
            }
            Action::UnshareCgroupNamespace => {
                self.needs(Capability::SysAdmin)?;
                self.namespaces = self.namespaces.with(NamespaceKind::Cgroup);
                Ok(())
            }
            Action::BecomeRoot => self.become_root(),
            Action::JoinNamespaces { kinds } => self.join(*kinds),
            Action::LoopbackUp => {
                ensure(self.has(NamespaceKind::Net), "the host's loopback")?;
                self.needs(Capability::NetAdmin)
            }
            Action::SetHostname(name) => {
                ensure(self.has(NamespaceKind::Uts), "the host's name")?;
                self.needs(Capability::SysAdmin)?;
                self.hostname.clone_from(name);
                Ok(())
            }
            Action::SetDomainname(_) => {
                ensure(self.has(NamespaceKind::Uts), "the host's domain")?;
                self.needs(Capability::SysAdmin)
            }
            Action::WriteSysctl { name, value } => {
                let kind = namespace_of(name);
                ensure(kind.is_some_and(|it| self.has(it)), "the host's sysctl")?;
                self.sysctls.insert(name.clone(), value.clone());
                Ok(())
            }
            Action::OpenLabelHandle(module) => {
                ensure(!self.has_root, "after the image was mounted")?;
                self.handles.push(name_of(*module));
                Ok(())
            }
            Action::SetExecLabel { module, label } => {
                let name = name_of(*module);
                ensure(self.handles.contains(&name), "there is no handle")?;
                self.labels.insert(name, label.clone());
                Ok(())
            }
            Action::SetPropagation(_) => self.mounts(),
            Action::MountRoot(_) => {
                self.has_root = true;
                self.mounts()
            }
            Action::Mount(_) | Action::MakeDevices(_) => {
                ensure(self.has_root && !self.has_pivoted, "not while the root is mounted")?;
                if let Action::Mount(Mount {
                    target,
                    source: MountSource::Volume { .. },
                    flags,
                    ..
                }) = &step.action
                {
                    let access = match flags.read_only {
                        None => MountAccess::ReadWrite,
                        Some(Recursion::One | Recursion::All) => MountAccess::ReadOnly,
                    };
                    self.mounts.insert(target.clone(), access);
                }
                self.mounts()
            }
            Action::PivotRoot => {
                ensure(self.has_root, "there is no root")?;
                self.has_pivoted = true;
                self.mounts()
            }
            Action::RootReadOnly => {
                self.root = MountAccess::ReadOnly;
                self.guards()
            }
            Action::Mask(path) => {
                self.paths.insert(path.clone(), PathAccess::Masked);
                self.guards()
            }
            Action::MakeReadOnly(path) => {
                self.paths.entry(path.clone()).or_insert(PathAccess::ReadOnly);
                self.guards()
            }
            Action::Chdir(_) => ensure(self.has_pivoted, "into the host's files"),
            Action::SetRlimit(_)
            | Action::SetOomScoreAdj(_)
            | Action::NewSessionKeyring
            | Action::NewSession(_)
            | Action::CloseDescriptors { .. }
            | Action::AwaitStart => self.passes_filters("prctl"),
            Action::SetNoNewPrivs => {
                self.no_new_privs = NoNewPrivs::Set;
                Ok(())
            }
            Action::LimitBounding(keep) => {
                if self.caps.bounding != *keep {
                    self.needs(Capability::Setpcap)?;
                }
                self.caps.bounding = self.caps.bounding.intersection(*keep);
                Ok(())
            }
            Action::SetIdentity { uid, gid, groups, umask: _ } => {
                self.change_ids(*uid, *gid, groups.as_deref())
            }
            Action::SetCapabilities(sets) => self.capset(sets),
            Action::LoadSeccomp(load) => {
                let held = self.caps.effective.contains(Capability::SysAdmin);
                ensure(held || self.no_new_privs == NoNewPrivs::Set, "EACCES")?;
                self.filters.push(load.program.clone());
                Ok(())
            }
            Action::Exec { .. } => self.exec(),
            Action::Prove => ensure(self.runs, "there is nothing to prove"),
        }
    }

    fn be_born(&mut self, unshare: NamespaceSet) -> Done {
        self.born = true;
        if unshare.contains(NamespaceKind::User) {
            self.be_root_of_a_namespace();
        } else if self.pod.namespaces.contains(NamespaceKind::User) {
            // Whoever is to join a user namespace is born there.
            self.be_root_of_a_namespace();
            self.maps.clone_from(&self.pod.maps);
        } else if !unshare.is_empty() {
            ensure(self.may(Capability::SysAdmin), "EPERM from clone3")?;
        }
        self.namespaces = unshare.iter().fold(self.namespaces, NamespaceSet::with);
        Ok(())
    }

    fn be_root_of_a_namespace(&mut self) {
        self.namespaces = self.namespaces.with(NamespaceKind::User);
        self.caps = CapabilitySets {
            bounding: ALL,
            effective: ALL,
            permitted: ALL,
            ..CapabilitySets::default()
        };
    }

    fn join(&mut self, kinds: NamespaceSet) -> Done {
        ensure(kinds.iter().all(|it| self.pod.namespaces.contains(it)), "there is none to join")?;
        if kinds.contains(NamespaceKind::User) {
            self.be_root_of_a_namespace();
            self.maps = self.pod.maps.clone();
        } else {
            self.needs(Capability::SysAdmin)?;
        }
        self.namespaces = kinds.iter().fold(self.namespaces, NamespaceSet::with);
        if kinds.contains(NamespaceKind::Uts) {
            self.hostname.clone_from(&self.pod.hostname);
        }
        let theirs = self.pod.sysctls.iter();
        let reached =
            theirs.filter(|it| namespace_of(it.0).is_some_and(|kind| kinds.contains(kind)));
        self.sysctls.extend(reached.map(|(name, value)| (name.clone(), value.clone())));
        Ok(())
    }

    fn become_root(&mut self) -> Done {
        let (uids, gids, _) = self.maps.as_ref().ok_or("EOVERFLOW: no maps")?;
        let ids = uids.to_outside(0).zip(gids.to_outside(0));
        let (HostId(uid), HostId(gid)) = ids.ok_or("root is not mapped")?;
        (self.uid, self.gid) = (uid, gid);
        Ok(())
    }

    fn change_ids(&mut self, uid: u32, gid: u32, groups: Option<&[u32]>) -> Done {
        let outside = |map: Option<&IdMap>, id: u32| match map {
            None => Ok(id),
            Some(map) => map.to_outside(id).map(|it| it.0).ok_or("EINVAL: not mapped".to_owned()),
        };
        let uids = self.maps.as_ref().map(|it| it.0.clone());
        let gids = self.maps.as_ref().map(|it| it.1.clone());
        if let Some(groups) = groups {
            self.needs(Capability::Setgid)?;
            let denied = matches!(self.maps, Some((_, _, SetGroups::Deny)));
            ensure(!denied, "EPERM from setgroups")?;
            let all: Result<_, _> = groups.iter().map(|it| outside(gids.as_ref(), *it)).collect();
            self.groups = all?;
        }
        let (uid, gid) = (outside(uids.as_ref(), uid)?, outside(gids.as_ref(), gid)?);
        if gid != self.gid {
            self.needs(Capability::Setgid)?;
        }
        if uid != self.uid {
            self.needs(Capability::Setuid)?;
            // PR_SET_KEEPCAPS keeps the permitted set alone.
            self.caps.effective = CapabilitySet::EMPTY;
            self.caps.ambient = CapabilitySet::EMPTY;
        }
        (self.uid, self.gid) = (uid, gid);
        Ok(())
    }

    fn capset(&mut self, new: &CapabilitySets) -> Done {
        self.passes_filters("capset")?;
        let old = self.caps;
        let may_inherit = if old.effective.contains(Capability::Setpcap) {
            CapabilitySet(u64::MAX)
        } else {
            old.inheritable.union(old.permitted)
        };
        ensure(new.permitted.is_subset(old.permitted), "EPERM: more permitted")?;
        ensure(new.effective.is_subset(new.permitted), "EPERM: effective and not permitted")?;
        ensure(new.inheritable.is_subset(may_inherit), "EPERM: more inheritable")?;
        let bounded = old.inheritable.union(old.bounding);
        ensure(new.inheritable.is_subset(bounded), "EPERM: inheritable and not bounding")?;
        let possible = new.permitted.intersection(new.inheritable);
        ensure(new.ambient.is_subset(possible), "EPERM: ambient")?;
        let left = old.ambient.intersection(possible);
        if left != new.ambient {
            self.passes_filters("prctl")?;
        }
        self.caps = CapabilitySets { bounding: old.bounding, ..*new };
        Ok(())
    }

    fn exec(&mut self) -> Done {
        self.passes_filters("execve")?;
        ensure(self.has_pivoted, "of the host's files")?;
        let before = self.caps;
        let is_root = self.inside().0 == Some(0);
        let permitted = if is_root {
            before.inheritable.union(before.bounding).union(before.ambient)
        } else {
            before.ambient
        };
        self.caps = CapabilitySets { permitted, effective: permitted, ..before };
        self.runs = true;
        Ok(())
    }

    /// User and group as they are called inside.
    fn inside(&self) -> (Option<u32>, Option<u32>) {
        match &self.maps {
            None => (Some(self.uid), Some(self.gid)),
            Some((uids, gids, _)) => {
                (uids.to_inside(HostId(self.uid)), gids.to_inside(HostId(self.gid)))
            }
        }
    }

    fn has(&self, kind: NamespaceKind) -> bool {
        self.namespaces.contains(kind)
    }

    fn may(&self, capability: Capability) -> bool {
        self.caps.effective.contains(capability)
    }

    fn needs(&self, capability: Capability) -> Done {
        ensure(self.may(capability), &format!("EPERM: {capability} is gone"))
    }

    fn mounts(&self) -> Done {
        ensure(self.has(NamespaceKind::Mount), "the host's mounts")?;
        self.needs(Capability::SysAdmin)
    }

    fn guards(&self) -> Done {
        ensure(self.has_pivoted, "in the host's files")?;
        self.mounts()
    }

    fn passes_filters(&self, call: &'static str) -> Done {
        for filter in &self.filters {
            let steps = [engine::Step::named(call)];
            let denied = engine::simulate(filter, Architecture::NATIVE, &steps).unwrap();
            ensure(denied.is_empty(), &format!("the filter denies {call}"))?;
        }
        Ok(())
    }
}

fn ensure(is_so: bool, otherwise: &str) -> Done {
    if is_so { Ok(()) } else { Err(otherwise.to_owned()) }
}

const fn name_of(module: SecurityModule) -> &'static str {
    match module {
        SecurityModule::AppArmor => "apparmor",
        SecurityModule::SeLinux => "selinux",
    }
}
