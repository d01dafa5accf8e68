//! What stands at one path: which mount, whether it begins there, and what kind of file.

use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags, openat, statx,
};
use rustix::io::Errno;
use stockade_abi::Why;
use stockade_abi::facts::FileIdentity;

/// What stands at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// The number of its mount; 0, which is none's, if nothing stands there.
    pub(super) mount: u64,
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) file: FileIdentity,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The mount begins here.
    MountPoint,
    /// Somewhere in the mount.
    Below,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The null device.
    Null,
    /// A directory, perhaps empty.
    Directory,
    /// A directory that was listed: one of a tmpfs.
    EmptyDirectory,
    /// Anything else.
    Other,
}

impl Seen {
    /// Nothing.
    pub(super) const ABSENT: Self = Self {
        mount: 0,
        place: Place::Below,
        kind: Kind::Other,
        file: FileIdentity { major: 0, minor: 0, inode: 0 },
    };

    /// What a child sends to its parent.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let place = u8::from(self.place == Place::MountPoint);
        let kind = match self.kind {
            Kind::Null => 1,
            Kind::EmptyDirectory => 2,
            Kind::Directory => 3,
            Kind::Other => 0,
        };
        let mut bytes = vec![place, kind];
        let FileIdentity { major, minor, inode } = self.file;
        for number in [self.mount, major.into(), minor.into(), inode] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// What a parent reads of its child.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Why> {
        let malformed = || Why("the answer about a path is malformed".to_owned());
        let (head, rest) = bytes.split_at_checked(2).ok_or_else(malformed)?;
        let place = if head[0] == 1 { Place::MountPoint } else { Place::Below };
        let kind = match head[1] {
            1 => Kind::Null,
            2 => Kind::EmptyDirectory,
            3 => Kind::Directory,
            _ => Kind::Other,
        };
        let mut numbers = rest.chunks(8);
        let mut number = || {
            let bytes = numbers.next()?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let mut next = || number().ok_or_else(malformed);
        let (mount, major, minor, inode) = (next()?, next()?, next()?, next()?);
        let half = |it: u64| u32::try_from(it).map_err(|_| malformed());
        let file = FileIdentity { major: half(major)?, minor: half(minor)?, inode };
        Ok(Self { mount, place, kind, file })
    }
}

/// Asks what an open file is. Never blocks.
pub(super) fn look(fd: BorrowedFd<'_>) -> Result<Seen, Errno> {
    let wanted = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::MNT_ID;
    // What is cached suffices: neither kind, device nor mount of an open file can change.
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(fd, "", flags, wanted)?;
    let known = StatxFlags::from_bits_retain(stat.stx_mask);
    if !known.contains(StatxFlags::MNT_ID) || stat.stx_mnt_id == 0 {
        return Err(Errno::NOSYS);
    }
    let place = if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        Place::MountPoint
    } else {
        Place::Below
    };
    let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
        FileType::CharacterDevice if (stat.stx_rdev_major, stat.stx_rdev_minor) == NULL => {
            Kind::Null
        }
        FileType::Directory => Kind::Directory,
        FileType::CharacterDevice
        | FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Other,
    };
    let (major, minor) = (stat.stx_dev_major, stat.stx_dev_minor);
    let file = FileIdentity { major, minor, inode: stat.stx_ino };
    Ok(Seen { mount: stat.stx_mnt_id, place, kind, file })
}

/// Whether a directory has no entries. Blocks if its file system does.
pub(super) fn is_empty(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = Dir::new(openat(directory, ".", flags, Mode::empty())?)?;
    for entry in entries {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Major and minor number of `/dev/null`.
const NULL: (u32, u32) = (1, 3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_saw_arrives_unchanged() {
        for kind in [Kind::Null, Kind::Directory, Kind::EmptyDirectory, Kind::Other] {
            for place in [Place::MountPoint, Place::Below] {
                let file = FileIdentity { major: 8, minor: u32::MAX, inode: u64::MAX - 1 };
                let seen = Seen { mount: 0x0102_0304_0506_0708, place, kind, file };
                assert_eq!(Seen::from_bytes(&seen.to_bytes()), Ok(seen));
            }
        }
        assert!(Seen::from_bytes(&[1]).is_err() && Seen::from_bytes(&[1, 1, 1]).is_err());
    }
}
