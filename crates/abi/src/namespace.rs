//! Kinds of namespaces and sets of them.
//!
//! Source: namespaces(7), clone(2).

use std::fmt;

/// A kind of namespace.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NamespaceKind {
    /// User and group ids, capabilities, keys. Owns the others, so it stands first.
    User,
    /// Mount points.
    Mount,
    /// Process ids.
    Pid,
    /// Network devices, addresses, ports, `net.*` sysctls.
    Net,
    /// System V IPC, POSIX message queues, their sysctls.
    Ipc,
    /// Host name and domain name.
    Uts,
    /// The root of the cgroup hierarchies.
    Cgroup,
    /// The boot-time and monotonic clocks.
    Time,
}

impl NamespaceKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Mount,
        Self::Pid,
        Self::Net,
        Self::Ipc,
        Self::Uts,
        Self::Cgroup,
        Self::Time,
    ];

    /// The name of its file in `/proc/<pid>/ns`.
    pub const fn proc_name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// Its flag for `clone3(2)`, `unshare(2)` and `setns(2)`.
    pub const fn clone_flag(self) -> u64 {
        match self {
            Self::User => 0x1000_0000,
            Self::Mount => 0x0002_0000,
            Self::Pid => 0x2000_0000,
            Self::Net => 0x4000_0000,
            Self::Ipc => 0x0800_0000,
            Self::Uts => 0x0400_0000,
            Self::Cgroup => 0x0200_0000,
            Self::Time => 0x0000_0080,
        }
    }
}

impl fmt::Display for NamespaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mount => "mount",
            Self::User
            | Self::Pid
            | Self::Net
            | Self::Ipc
            | Self::Uts
            | Self::Cgroup
            | Self::Time => self.proc_name(),
        })
    }
}

/// A set of kinds of namespaces, as the flags that the kernel takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NamespaceSet(u64);

impl NamespaceSet {
    /// No namespace.
    pub const EMPTY: Self = Self(0);

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: NamespaceKind) -> bool {
        self.0 & kind.clone_flag() != 0
    }

    /// The set with `kind` in it.
    #[must_use]
    pub const fn with(self, kind: NamespaceKind) -> Self {
        Self(self.0 | kind.clone_flag())
    }

    /// The set without `kind`.
    #[must_use]
    pub const fn without(self, kind: NamespaceKind) -> Self {
        Self(self.0 & !kind.clone_flag())
    }

    /// The set as flags of `clone3(2)`.
    pub const fn clone_flags(self) -> u64 {
        self.0
    }

    /// Whether no kind is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in the set, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = NamespaceKind> {
        NamespaceKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<NamespaceKind> for NamespaceSet {
    fn from_iter<I: IntoIterator<Item = NamespaceKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for NamespaceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, kind) in self.iter().enumerate() {
            write!(f, "{}{kind}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_apart() {
        let all: NamespaceSet = NamespaceKind::ALL.into_iter().collect();
        assert_eq!(all.clone_flags().count_ones(), 8);
        assert_eq!(all.without(NamespaceKind::Net).iter().count(), 7);
        assert_eq!(NamespaceSet::EMPTY.with(NamespaceKind::Mount).to_string(), "mount");
    }
}
