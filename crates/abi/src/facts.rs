//! What the kernel says about a process, or would say if it were confined as meant.
//!
//! One type, two producers: `confine::expect` foretells it and `observe::process` reads it, so that
//! a comparison needs no translation. Facts are relative to the observer: ids as seen in the
//! container, namespaces as "the observer's own" or not.

use std::collections::BTreeMap;
use std::fmt;

use crate::bpf::Program;
use crate::{CapabilitySets, ContainerGid, ContainerUid, IdMap, NamespaceSet, Reading};

/// Everything that is read of a process. Questions that only some containers raise (which sysctl,
/// which path) are answered for the names in [`Questions`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProcessFacts {
    /// Ids and groups.
    pub identity: Reading<IdentityFacts>,
    /// The five sets.
    pub capabilities: Reading<CapabilitySets>,
    /// Whether `execve` may add privileges.
    pub no_new_privs: Reading<NoNewPrivs>,
    /// Mode and filters.
    pub seccomp: Reading<SeccompFacts>,
    /// The AppArmor label.
    pub apparmor: Reading<Label>,
    /// The SELinux context.
    pub selinux: Reading<Label>,
    /// The kinds of namespaces that are not the observer's own.
    pub namespaces: Reading<NamespaceSet>,
    /// What may be done to the root file system's mount.
    pub root: Reading<MountAccess>,
    /// What may be done to each path asked for.
    pub paths: BTreeMap<String, Reading<PathAccess>>,
    /// The mount that begins at each path asked for; `None` if none does.
    pub mounts: BTreeMap<String, Reading<Option<SeenMount>>>,
    /// The value of each sysctl asked for, in the process's namespaces.
    pub sysctls: BTreeMap<String, Reading<String>>,
    /// What the device controller allows for each device asked for, and for those that its rules
    /// name, where they can be listed.
    pub devices: BTreeMap<Device, Reading<DeviceAccess>>,
    /// The limits of its cgroup.
    pub limits: Reading<LimitFacts>,
    /// The host name it sees.
    pub hostname: Reading<String>,
}

/// What to read beside what every process has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Questions {
    /// Sysctls, with dots: `net.ipv4.tcp_syncookies`.
    pub sysctls: Vec<String>,
    /// Absolute paths in the container.
    pub paths: Vec<String>,
    /// Absolute paths in the container at which something is to be mounted.
    pub mounts: Vec<String>,
    /// Devices by number.
    pub devices: Vec<Device>,
}

/// A mount, as a process sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeenMount {
    /// What may be done to it.
    pub access: MountAccess,
    /// What begins there.
    pub file: Reading<FileIdentity>,
    /// Its file system: `tmpfs`.
    pub file_system: Reading<String>,
    /// The mount points below it that can be written.
    pub writable_below: Reading<Vec<String>>,
}

/// Which file or directory something is, whatever it is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileIdentity {
    /// Major number of its file system's device.
    pub major: u32,
    /// Minor number of the same.
    pub minor: u32,
    /// Its number in the file system.
    pub inode: u64,
}

/// Who a process is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentityFacts {
    /// Real, effective, saved and file system user id, inside the container.
    pub uid: [ContainerUid; 4],
    /// Real, effective, saved and file system group id, inside the container.
    pub gid: [ContainerGid; 4],
    /// Supplementary groups, ascending, inside the container.
    pub groups: Vec<ContainerGid>,
    /// How user ids inside appear to the observer; `None` in the observer's user namespace.
    pub uid_map: Option<IdMap>,
    /// How group ids inside appear to the observer; `None` in the observer's user namespace.
    pub gid_map: Option<IdMap>,
}

/// The state of the `no_new_privs` bit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoNewPrivs {
    /// Set-user-id programs and file capabilities have no effect.
    Set,
    /// `execve` may add privileges.
    Unset,
}

/// Seccomp as the kernel shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeccompFacts {
    /// `Seccomp:` of `/proc/<pid>/status`.
    pub mode: SeccompMode,
    /// `Seccomp_filters:` of the same.
    pub count: u32,
    /// The filters themselves, in the order in which they were installed.
    pub filters: Reading<Vec<Program>>,
}

/// Seccomp's mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SeccompMode {
    /// Every syscall is allowed.
    Disabled,
    /// read, write, exit and sigreturn only.
    Strict,
    /// Filters decide.
    Filter,
}

/// A label of a Linux security module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Label {
    /// The module is not active in this kernel.
    Inactive,
    /// The module is active and the process has this label.
    Is {
        /// Profile name or security context; `unconfined` is AppArmor's word for none.
        name: String,
        /// AppArmor's mode: `enforce`, `complain` and the like.
        mode: Option<String>,
    },
}

/// What a mount lets its users do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MountAccess {
    /// Nothing below can be changed.
    ReadOnly,
    /// Files can be changed as their permissions say.
    ReadWrite,
}

/// What a process can do to a path that confinement guards. Ordered from weakest to strongest.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PathAccess {
    /// It is there and can be written as its permissions say.
    Writable,
    /// It is there on a read-only mount.
    ReadOnly,
    /// An empty read-only directory or the null device stands in its place.
    Masked,
    /// It does not exist.
    Absent,
}

/// A device by kind and number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Device {
    /// Character or block.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// What may be done with a device: any of read, write and mknod.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct DeviceAccess(u8);

impl DeviceAccess {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Making a node.
    pub const MKNOD: Self = Self(1);
    /// Reading.
    pub const READ: Self = Self(2);
    /// Writing.
    pub const WRITE: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this and not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of this is in `other`.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The bits of `linux/bpf.h`: mknod 1, read 2, write 4.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Reads letters of `rwm`, each at most once; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        text.chars().try_fold(Self::NONE, |so_far, letter| {
            let one = match letter {
                'r' => Self::READ,
                'w' => Self::WRITE,
                'm' => Self::MKNOD,
                _ => return None,
            };
            (!one.is_subset(so_far)).then(|| so_far.union(one))
        })
    }
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("none");
        }
        for (bit, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MKNOD, "m")] {
            if bit.is_subset(*self) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// One rule of the device controller. `None` stands for every number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeviceRule {
    /// Whether it allows or denies.
    pub verdict: DeviceVerdict,
    /// Character, block, or both.
    pub kind: Option<DeviceKind>,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// What is allowed or denied.
    pub access: DeviceAccess,
}

/// What a rule of the device controller does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceVerdict {
    /// Adds to what is allowed.
    Allow,
    /// Takes from what is allowed.
    Deny,
}

impl DeviceRule {
    /// Whether the rule speaks of `device`.
    pub fn covers(&self, device: Device) -> bool {
        self.kind.is_none_or(|kind| kind == device.kind)
            && self.major.is_none_or(|major| major == device.major)
            && self.minor.is_none_or(|minor| minor == device.minor)
    }

    /// Devices that stand for all that the rule speaks of: where it leaves a number open, one of
    /// nobody's.
    pub fn examples(&self) -> impl Iterator<Item = Device> + use<> {
        let major = self.major.unwrap_or(Self::NOBODYS.0);
        let any = if self.major.is_some() { 0 } else { Self::NOBODYS.1 };
        let minor = self.minor.unwrap_or(any);
        [DeviceKind::Character, DeviceKind::Block]
            .into_iter()
            .filter({
                let kind = self.kind;
                move |it| kind.is_none_or(|kind| kind == *it)
            })
            .map(move |kind| Device { kind, major, minor })
    }

    /// Numbers that no device has.
    pub const NOBODYS: (u32, u32) = (4000, 1);

    /// What an ordered list of rules allows for `device`; nothing is allowed before the first.
    pub fn evaluate(rules: &[Self], device: Device) -> DeviceAccess {
        rules.iter().filter(|rule| rule.covers(device)).fold(DeviceAccess::NONE, |so_far, rule| {
            match rule.verdict {
                DeviceVerdict::Allow => so_far.union(rule.access),
                DeviceVerdict::Deny => so_far.difference(rule.access),
            }
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::Character => 'c',
            DeviceKind::Block => 'b',
        };
        write!(f, "{kind} {}:{}", self.major, self.minor)
    }
}

impl fmt::Display for DeviceRule {
    /// As the v1 controller's files spell it: `c 1:3 rwm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            None => 'a',
            Some(DeviceKind::Character) => 'c',
            Some(DeviceKind::Block) => 'b',
        };
        let number = |it: Option<u32>| it.map_or_else(|| "*".to_owned(), |it| it.to_string());
        write!(f, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

/// Limits of a cgroup. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LimitFacts {
    /// Most processes and threads.
    pub pids: Option<u64>,
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// CPU time per second of wall time, in microseconds (1,000,000 is one CPU).
    pub cpu_micros: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_rules_apply_in_order() {
        let rule = |verdict, major, access: &str| DeviceRule {
            verdict,
            kind: Some(DeviceKind::Character),
            major,
            minor: None,
            access: DeviceAccess::parse(access).unwrap(),
        };
        let device = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
        let allow = rule(DeviceVerdict::Allow, Some(1), "rw");
        let deny = rule(DeviceVerdict::Deny, None, "w");
        for (rules, expected) in [
            (vec![], "none"),
            (vec![allow], "rw"),
            (vec![allow, deny], "r"),
            (vec![deny, allow], "rw"),
            (vec![rule(DeviceVerdict::Allow, Some(2), "rwm")], "none"),
        ] {
            assert_eq!(DeviceRule::evaluate(&rules, device).to_string(), expected, "{rules:?}");
        }
    }

    #[test]
    fn a_rule_has_an_example_of_each_kind_it_speaks_of() {
        for (kind, major, minor, expected) in [
            (Some(DeviceKind::Character), Some(1), Some(3), "c 1:3"),
            (Some(DeviceKind::Character), Some(136), None, "c 136:0"),
            (Some(DeviceKind::Block), None, None, "b 4000:1"),
            (None, Some(8), Some(1), "c 8:1, b 8:1"),
        ] {
            let verdict = DeviceVerdict::Allow;
            let rule = DeviceRule { verdict, kind, major, minor, access: DeviceAccess::READ };
            let examples: Vec<Device> = rule.examples().collect();
            assert!(examples.iter().all(|it| rule.covers(*it)), "{rule}");
            let shown: Vec<String> = examples.iter().map(ToString::to_string).collect();
            assert_eq!(shown.join(", "), expected, "{rule}");
        }
    }

    #[test]
    fn access_letters_are_strict() {
        for (text, valid) in [("rwm", true), ("m", true), ("", true), ("rr", false), ("roo", false)]
        {
            assert_eq!(DeviceAccess::parse(text).is_some(), valid, "{text}");
        }
    }
}
