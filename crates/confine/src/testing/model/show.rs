//! What the model kernel shows of a process.

use stockade_abi::facts::{
    DeviceAccess, DeviceRule, IdentityFacts, Label, LimitFacts, MountAccess, PathAccess,
    SeccompFacts, SeccompMode, SeenMount,
};
use stockade_abi::host::{Host, LsmState};
use stockade_abi::{ContainerGid, ContainerUid, HostId, ProcessFacts, Reading};

use super::Process;
use crate::limits::Limits;

impl Process {
    pub(super) fn show(&self, host: &Host, asked: &ProcessFacts) -> ProcessFacts {
        let maps = self.maps.as_ref();
        let group = |outside: &u32| match maps {
            None => *outside,
            Some((_, gids, _)) => gids.to_inside(HostId(*outside)).unwrap_or(65_534),
        };
        let mut groups: Vec<u32> = self.groups.iter().map(group).collect();
        groups.sort_unstable();
        groups.dedup();
        let (uid, gid) = self.inside();
        let (limits, rules) = match &self.cgroup {
            Some((limits, rules)) if self.is_in_cgroup => (*limits, rules.clone()),
            _ => (Limits::default(), None),
        };
        let access = |device| match &rules {
            Some(rules) => DeviceRule::evaluate(rules, device),
            None => DeviceAccess::ALL,
        };
        let path = |path: &String| self.paths.get(path).copied().unwrap_or(PathAccess::Writable);
        let sysctl = |name: &String| self.sysctls.get(name).cloned().unwrap_or("host's".to_owned());
        ProcessFacts {
            identity: match (uid, gid) {
                (Some(uid), Some(gid)) => Reading::Known(IdentityFacts {
                    uid: [ContainerUid(uid); 4],
                    gid: [ContainerGid(gid); 4],
                    groups: groups.into_iter().map(ContainerGid).collect(),
                    uid_map: maps.map(|it| it.0.clone()),
                    gid_map: maps.map(|it| it.1.clone()),
                }),
                _ => Reading::unreadable("not mapped"),
            },
            capabilities: Reading::Known(self.caps),
            no_new_privs: Reading::Known(self.no_new_privs),
            seccomp: Reading::Known(SeccompFacts {
                mode: match self.filters.as_slice() {
                    [] => SeccompMode::Disabled,
                    [..] => SeccompMode::Filter,
                },
                count: u32::try_from(self.filters.len()).unwrap(),
                filters: Reading::Known(self.filters.clone()),
            }),
            apparmor: Reading::Known(self.apparmor(host)),
            selinux: Reading::Known(match (host.selinux, self.labels.get("selinux")) {
                (LsmState::Inactive, _) => Label::Inactive,
                (LsmState::Active, label) => {
                    Label::Is { name: label.cloned().unwrap_or("starter_t".to_owned()), mode: None }
                }
            }),
            namespaces: Reading::Known(self.namespaces),
            root: Reading::Known(self.root),
            paths: asked.paths.keys().map(|it| (it.clone(), Reading::Known(path(it)))).collect(),
            mounts: (asked.mounts.iter())
                .map(|(target, asked)| {
                    let seen = self.mounts.get(target).copied().map(|access| SeenMount {
                        access,
                        file: Reading::unreadable("?"),
                        file_system: asked
                            .known()
                            .and_then(|it| it.as_ref())
                            .map_or(Reading::unreadable("?"), |it| it.file_system.clone()),
                        writable_below: Reading::Known(self.writable_below(target)),
                    });
                    (target.clone(), Reading::Known(seen))
                })
                .collect(),
            sysctls: (asked.sysctls.keys())
                .map(|it| (it.clone(), Reading::Known(sysctl(it))))
                .collect(),
            devices: asked.devices.keys().map(|it| (*it, Reading::Known(access(*it)))).collect(),
            limits: Reading::Known(LimitFacts {
                pids: limits.pids,
                memory: limits.memory,
                cpu_micros: limits.cpu_micros,
            }),
            hostname: Reading::Known(self.hostname.clone()),
        }
    }

    fn writable_below(&self, target: &str) -> Vec<String> {
        let below = |it: &&String| it.strip_prefix(target).is_some_and(|it| it.starts_with('/'));
        let writable = self.mounts.iter().filter(|it| *it.1 == MountAccess::ReadWrite);
        writable.map(|it| it.0).filter(below).cloned().collect()
    }

    fn apparmor(&self, host: &Host) -> Label {
        match (host.apparmor.state, self.labels.get("apparmor")) {
            (LsmState::Inactive, _) => Label::Inactive,
            (LsmState::Active, None) => Label::Is { name: "unconfined".to_owned(), mode: None },
            (LsmState::Active, Some(name)) => {
                let mode = host.apparmor.profiles.known().and_then(|it| it.get(name)).cloned();
                Label::Is { name: name.clone(), mode }
            }
        }
    }
}
