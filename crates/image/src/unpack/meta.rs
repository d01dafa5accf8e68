//! Owner, mode, time and attributes: what a file has beside its content.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::EntryError;
use crate::tar::{Entry, Time};

/// Whose files a layer's files are, and in which form overlayfs finds what is hidden.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ownership {
    /// Files have the owners that the layer says; opaque directories are marked with
    /// `trusted.overlay.opaque`. Needs root.
    Kept,
    /// All files belong to whoever unpacked them; opaque directories are marked with
    /// `user.overlay.opaque`, so the mount needs the option `userxattr`.
    Own,
}

impl Ownership {
    /// Finds out what this process may do, by trying on the directory `probe`.
    pub(crate) fn possible(probe: BorrowedFd<'_>) -> Self {
        // Root of a user namespace may give files to nobody else and may not set trusted
        // attributes, so the user id alone does not tell.
        let name = "trusted.stockade.probe";
        let is_privileged = rustix::process::geteuid().is_root()
            && rustix::fs::fsetxattr(probe, name, b"y", XattrFlags::empty()).is_ok()
            && rustix::fs::fremovexattr(probe, name).is_ok();
        if is_privileged { Self::Kept } else { Self::Own }
    }

    pub(super) fn opaque(self) -> &'static str {
        match self {
            Self::Kept => "trusted.overlay.opaque",
            Self::Own => "user.overlay.opaque",
        }
    }
}

/// What an entry says about its file, checked to be possible.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    mode: Mode,
    mtime: Option<Time>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Meta {
    pub(super) fn new(entry: &Entry) -> Result<Self, EntryError> {
        let mode = u32::try_from(entry.mode)
            .map_err(|_| EntryError::OutOfRange { what: "mode", value: entry.mode })?;
        Ok(Self {
            uid: Uid::from_raw(id("user id", entry.uid)?),
            gid: Gid::from_raw(id("group id", entry.gid)?),
            mode: Mode::from_raw_mode(mode & 0o7777),
            mtime: Some(entry.mtime),
            xattrs: entry.xattrs.clone(),
        })
    }

    /// A directory that no entry describes.
    pub(super) fn implied() -> Self {
        Self {
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            mode: Mode::from_raw_mode(0o755),
            mtime: None,
            xattrs: Vec::new(),
        }
    }

    pub(super) fn without_xattrs(self) -> Self {
        Self { xattrs: Vec::new(), ..self }
    }

    /// Gives the file behind `fd` owner, mode and time.
    pub(crate) fn apply(&self, fd: impl AsFd, ownership: Ownership) -> Result<(), EntryError> {
        let fd = fd.as_fd();
        if ownership == Ownership::Kept {
            rustix::fs::fchown(fd, Some(self.uid), Some(self.gid))
                .map_err(EntryError::errno("set the owner"))?;
        }
        // After the owner, because a change of owner clears the set-id bits.
        rustix::fs::fchmod(fd, self.mode).map_err(EntryError::errno("set the mode"))?;
        if self.mtime.is_some() {
            rustix::fs::futimens(fd, &self.times()).map_err(EntryError::errno("set the time"))?;
        }
        Ok(())
    }

    pub(super) fn times(&self) -> Timestamps {
        let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        Timestamps {
            last_access: omitted,
            last_modification: self.mtime.map_or(omitted, |time| Timespec {
                tv_sec: time.seconds,
                tv_nsec: time.nanoseconds.into(),
            }),
        }
    }

    /// Sets the attributes that a layer may set and returns the names of the others.
    ///
    /// A change of owner removes `security.capability`, so this comes after [`Self::apply`].
    pub(super) fn set_xattrs(
        &self,
        fd: impl AsFd,
        ownership: Ownership,
    ) -> Result<Vec<Vec<u8>>, EntryError> {
        let mut skipped = Vec::new();
        for (name, value) in &self.xattrs {
            if !may_be_set(name, ownership) {
                skipped.push(name.clone());
                continue;
            }
            match rustix::fs::fsetxattr(fd.as_fd(), name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                // The file system has no attributes, or this process may not set this one: the
                // file has less than its layer says, which is for a person to judge.
                Err(Errno::OPNOTSUPP | Errno::PERM) => skipped.push(name.clone()),
                Err(errno) => return Err(EntryError::errno("set an attribute")(errno)),
            }
        }
        Ok(skipped)
    }
}

fn may_be_set(name: &[u8], ownership: Ownership) -> bool {
    match name {
        b"security.capability" => ownership == Ownership::Kept,
        // Overlayfs obeys these (with `userxattr`): a layer could redirect a directory to another
        // one or make it opaque. Only whiteouts may, and they are made here.
        _ if name.starts_with(b"user.overlay.") => false,
        _ => name.starts_with(b"user."),
    }
}

/// Checks that `value` is an id. The last of 32 bits is none: to chown(2) it means "as it is", which
/// here would be root.
fn id(what: &'static str, value: i64) -> Result<u32, EntryError> {
    let id = u32::try_from(value).ok().filter(|&id| id != u32::MAX);
    id.ok_or(EntryError::OutOfRange { what, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_may_set_few_attributes() {
        for (name, kept, own) in [
            ("user.note", true, true),
            ("security.capability", true, false),
            ("security.selinux", false, false),
            ("security.ima", false, false),
            ("trusted.overlay.opaque", false, false),
            ("trusted.overlay.redirect", false, false),
            ("user.overlay.opaque", false, false),
            ("user.overlay.redirect", false, false),
            ("system.posix_acl_access", false, false),
            ("", false, false),
        ] {
            let found = [Ownership::Kept, Ownership::Own].map(|it| may_be_set(name.as_bytes(), it));
            assert_eq!(found, [kept, own], "{name}");
        }
    }

    #[test]
    fn ids_fit_into_32_bits_and_are_not_the_last() {
        for (value, is_id) in [
            (0, true),
            (65_534, true),
            (0xffff_fffe, true),
            (0xffff_ffff, false),
            (0x1_0000_0000, false),
            (-1, false),
            (i64::MIN, false),
        ] {
            assert_eq!(id("user id", value).is_ok(), is_id, "{value}");
        }
    }
}
