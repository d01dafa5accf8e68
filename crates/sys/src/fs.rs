//! Which file system a descriptor is on.
//!
//! A path says what somebody mounted there; only the magic number says that `/proc` is procfs and
//! not a directory that a container prepared (CVE-2019-16884, CVE-2025-52881).

use std::os::fd::AsFd;

use crate::{Calls, Refused};

/// The kind of a file system, as statfs(2) numbers it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FsMagic(pub u32);

impl FsMagic {
    /// procfs.
    pub const PROC: Self = Self(0x9fa0);
    /// sysfs.
    pub const SYSFS: Self = Self(0x6265_6572);
    /// cgroup v1.
    pub const CGROUP: Self = Self(0x0027_e0eb);
    /// cgroup v2.
    pub const CGROUP2: Self = Self(0x6367_7270);
    /// tmpfs.
    pub const TMPFS: Self = Self(0x0102_1994);
    /// ramfs.
    pub const RAMFS: Self = Self(0x8584_58f6);
    /// overlayfs.
    pub const OVERLAY: Self = Self(0x794c_7630);
    /// devpts.
    pub const DEVPTS: Self = Self(0x1cd1);
    /// mqueue.
    pub const MQUEUE: Self = Self(0x1980_0202);
    /// nsfs: the files behind `/proc/<pid>/ns`.
    pub const NSFS: Self = Self(0x6e73_6673);
    /// pidfs: pidfds since Linux 6.9.
    pub const PIDFS: Self = Self(0x5049_4446);
    /// securityfs.
    pub const SECURITYFS: Self = Self(0x7363_6673);
    /// selinuxfs.
    pub const SELINUX: Self = Self(0xf97c_ff8c);
    /// bpffs.
    pub const BPF: Self = Self(0xcafe_4a11);
    /// debugfs.
    pub const DEBUGFS: Self = Self(0x6462_6720);
    /// tracefs.
    pub const TRACEFS: Self = Self(0x7472_6163);
    /// ext2, ext3 and ext4.
    pub const EXT4: Self = Self(0xef53);
    /// XFS.
    pub const XFS: Self = Self(0x5846_5342);
    /// Btrfs.
    pub const BTRFS: Self = Self(0x9123_683e);
    /// FUSE.
    pub const FUSE: Self = Self(0x6573_5546);
    /// NFS.
    pub const NFS: Self = Self(0x6969);

    /// The kind of the file system that `file` is on. Works for descriptors opened as paths.
    ///
    /// # Errors
    ///
    /// None for a valid descriptor of a local file system.
    ///
    /// # Kernel
    ///
    /// fstatfs(2), `linux/magic.h`.
    pub fn of(file: impl AsFd) -> Result<Self, Refused> {
        let statfs = rustix::fs::fstatfs(file).call("fstatfs")?;
        // A magic number has 32 bits; the field is wider and some kernels extend its sign.
        Ok(Self(statfs.f_type as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procfs_is_told_from_its_looks() {
        let kind = |path| FsMagic::of(std::fs::File::open(path).unwrap()).unwrap();
        assert_eq!(kind("/proc"), FsMagic::PROC);
        assert_eq!(kind("/sys"), FsMagic::SYSFS);
        assert_eq!(kind("/proc/self/ns/mnt"), FsMagic::NSFS);
        assert_ne!(kind("/"), FsMagic::PROC);
    }
}
