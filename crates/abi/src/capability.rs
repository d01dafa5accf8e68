//! Capabilities: names, numbers and sets of them.
//!
//! One vocabulary from YAML to `capset(2)`. Source: `linux/capability.h`, capabilities(7).

use std::fmt;
use std::str::FromStr;

macro_rules! capabilities {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A capability of Linux.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Capability {
            $(#[doc = concat!("`CAP_", $name, "`.")] $variant = $number,)*
        }

        impl Capability {
            /// Every capability that this build knows, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name without its prefix, as Kubernetes spells it: `NET_ADMIN`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

capabilities! {
    Chown = 0, "CHOWN";
    DacOverride = 1, "DAC_OVERRIDE";
    DacReadSearch = 2, "DAC_READ_SEARCH";
    Fowner = 3, "FOWNER";
    Fsetid = 4, "FSETID";
    Kill = 5, "KILL";
    Setgid = 6, "SETGID";
    Setuid = 7, "SETUID";
    Setpcap = 8, "SETPCAP";
    LinuxImmutable = 9, "LINUX_IMMUTABLE";
    NetBindService = 10, "NET_BIND_SERVICE";
    NetBroadcast = 11, "NET_BROADCAST";
    NetAdmin = 12, "NET_ADMIN";
    NetRaw = 13, "NET_RAW";
    IpcLock = 14, "IPC_LOCK";
    IpcOwner = 15, "IPC_OWNER";
    SysModule = 16, "SYS_MODULE";
    SysRawio = 17, "SYS_RAWIO";
    SysChroot = 18, "SYS_CHROOT";
    SysPtrace = 19, "SYS_PTRACE";
    SysPacct = 20, "SYS_PACCT";
    SysAdmin = 21, "SYS_ADMIN";
    SysBoot = 22, "SYS_BOOT";
    SysNice = 23, "SYS_NICE";
    SysResource = 24, "SYS_RESOURCE";
    SysTime = 25, "SYS_TIME";
    SysTtyConfig = 26, "SYS_TTY_CONFIG";
    Mknod = 27, "MKNOD";
    Lease = 28, "LEASE";
    AuditWrite = 29, "AUDIT_WRITE";
    AuditControl = 30, "AUDIT_CONTROL";
    Setfcap = 31, "SETFCAP";
    MacOverride = 32, "MAC_OVERRIDE";
    MacAdmin = 33, "MAC_ADMIN";
    Syslog = 34, "SYSLOG";
    WakeAlarm = 35, "WAKE_ALARM";
    BlockSuspend = 36, "BLOCK_SUSPEND";
    AuditRead = 37, "AUDIT_READ";
    Perfmon = 38, "PERFMON";
    Bpf = 39, "BPF";
    CheckpointRestore = 40, "CHECKPOINT_RESTORE";
}

impl Capability {
    /// The number that `capset(2)` and `prctl(2)` use.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The capability of that number, if this build knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A name that is no capability.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownCapability(pub String);

impl fmt::Display for UnknownCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a capability of Linux", self.0)
    }
}

impl std::error::Error for UnknownCapability {}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Reads `NET_ADMIN`, `CAP_NET_ADMIN` and the same in lower case.
    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let found = Self::ALL.iter().find(|it| it.name() == bare);
        found.copied().ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities, in the kernel's layout: bit *n* is the capability of number *n*.
///
/// Bits without a [`Capability`] are kept: a newer kernel's capabilities must not vanish from a
/// comparison only because this build has no name for them.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CapabilitySet(pub u64);

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// Every capability up to and including number `last` (`/proc/sys/kernel/cap_last_cap`).
    pub const fn up_to(last: u8) -> Self {
        Self(u64::MAX >> (63 - if last > 63 { 63 } else { last }))
    }

    /// Whether `capability` is in the set.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 >> capability.number() & 1 == 1
    }

    /// The set with `capability` in it.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability.number())
    }

    /// The set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability.number()))
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether everything here is in `other` too.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the capabilities in the set, named or not.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |bit| self.0 >> bit & 1 == 1)
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(all: I) -> Self {
        all.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for CapabilitySet {
    /// Names by number, `none` for the empty set; a number that has no name here stands as `CAP_n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, number) in self.numbers().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            match Capability::from_number(number) {
                Some(known) => write!(f, "{gap}{known}")?,
                None => write!(f, "{gap}CAP_{number}")?,
            }
        }
        Ok(())
    }
}

/// The five sets of a thread.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CapabilitySets {
    /// What `execve` may ever grant.
    pub bounding: CapabilitySet,
    /// What counts now.
    pub effective: CapabilitySet,
    /// What may be made effective.
    pub permitted: CapabilitySet,
    /// What survives `execve` of a file that asks for it.
    pub inheritable: CapabilitySet,
    /// What survives `execve` of any unprivileged file.
    pub ambient: CapabilitySet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_stands_at_its_number() {
        for (index, capability) in Capability::ALL.iter().enumerate() {
            assert_eq!(usize::from(capability.number()), index, "{capability}");
        }
    }

    #[test]
    fn names_are_read_with_and_without_prefix() {
        for (text, expected) in [
            ("NET_ADMIN", Ok(Capability::NetAdmin)),
            ("CAP_NET_ADMIN", Ok(Capability::NetAdmin)),
            ("cap_net_admin", Ok(Capability::NetAdmin)),
            ("CAP_CAP_NET_ADMIN", Err(UnknownCapability("CAP_CAP_NET_ADMIN".into()))),
            ("ALL", Err(UnknownCapability("ALL".into()))),
            (" KILL", Err(UnknownCapability(" KILL".into()))),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn sets_print_unknown_bits_too() {
        let set = CapabilitySet(1 << 5 | 1 << 50);
        assert_eq!(set.to_string(), "KILL CAP_50");
        assert_eq!(CapabilitySet::EMPTY.to_string(), "none");
        assert_eq!(CapabilitySet::up_to(40).0, (1 << 41) - 1);
        assert_eq!(CapabilitySet::up_to(63).0, u64::MAX);
    }
}
