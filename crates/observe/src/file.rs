//! Bounded reading of the kernel's small files, relative to a directory that is held open.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::{Errno, retry_on_intr};
use stockade_abi::Why;
use thiserror::Error;

/// Why a file gave no answer.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum Failed {
    /// The kernel said no.
    #[error("{path}: {}", words(*.errno))]
    Refused { path: String, errno: Errno },
    /// There is more than any honest answer needs.
    #[error("{path}: longer than {limit} bytes")]
    TooLong { path: String, limit: usize },
    /// The bytes are not UTF-8.
    #[error("{path}: not text")]
    NotText { path: String },
}

impl Failed {
    /// The kernel's error number, if it is the kernel that said no.
    pub(crate) const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::TooLong { .. } | Self::NotText { .. } => None,
        }
    }

    /// Whether the file is not there, as opposed to there and unreadable.
    pub(crate) fn is_absent(&self) -> bool {
        self.errno() == Some(Errno::NOENT)
    }
}

impl From<Failed> for Why {
    fn from(failed: Failed) -> Self {
        Self(failed.to_string())
    }
}

/// An error number as reports spell it: `EACCES (Permission denied)`.
pub(crate) fn words(errno: Errno) -> String {
    let number = u16::try_from(errno.raw_os_error()).ok();
    number.map_or_else(|| errno.to_string(), |it| stockade_abi::Errno(it).to_string())
}

/// Opens a directory or file only to name what is below it or to ask what it is.
pub(crate) fn open_path(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Failed> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat(dir, OsStr::from_bytes(path), flags, Mode::empty()).map_err(|it| refused(path, it))
}

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read(dir: BorrowedFd<'_>, path: &[u8], limit: usize) -> Result<Vec<u8>, Failed> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = openat(dir, OsStr::from_bytes(path), flags, Mode::empty())
        .map_err(|it| refused(path, it))?;
    read_open(file.as_fd(), path, limit)
}

/// Reads the rest of an open file; `path` is for the words of an error.
pub(crate) fn read_open(
    file: BorrowedFd<'_>,
    path: &[u8],
    limit: usize,
) -> Result<Vec<u8>, Failed> {
    let mut content = Vec::with_capacity(4096);
    loop {
        if content.len() > limit {
            return Err(Failed::TooLong { path: lossy(path), limit });
        }
        if content.capacity() - content.len() < 1024 {
            content.reserve(4096);
        }
        // procfs may answer in pieces, so only an empty read is the end.
        match retry_on_intr(|| rustix::io::read(file, spare_capacity(&mut content))) {
            Ok(0) => return Ok(content),
            Ok(_) => {}
            Err(errno) => return Err(refused(path, errno)),
        }
    }
}

/// Reads a file of text below `dir`.
pub(crate) fn text(dir: BorrowedFd<'_>, path: &[u8], limit: usize) -> Result<String, Failed> {
    String::from_utf8(read(dir, path, limit)?).map_err(|_| Failed::NotText { path: lossy(path) })
}

/// Reads a small file of the host by its absolute path, without the white space at its end.
pub(crate) fn host_text(path: &str) -> Result<String, Failed> {
    let mut content = text(CWD, path.as_bytes(), SMALL)?;
    content.truncate(content.trim_end().len());
    Ok(content)
}

/// Whether `fd` lies on a file system of the type that `magic` names.
pub(crate) fn is_on(fd: BorrowedFd<'_>, magic: u64) -> Result<bool, Errno> {
    // The field is a signed long on some architectures; magic numbers have 32 bits.
    fstatfs(fd).map(|it| it.f_type as u32 == magic as u32)
}

pub(crate) fn refused(path: &[u8], errno: Errno) -> Failed {
    Failed::Refused { path: lossy(path), errno }
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Enough for a file with one value or a short list.
pub(crate) const SMALL: usize = 64 * 1024;

/// `PROC_SUPER_MAGIC` of `linux/magic.h`.
pub(crate) const PROCFS: u64 = 0x9fa0;
/// `SYSFS_MAGIC`.
pub(crate) const SYSFS: u64 = 0x6265_6572;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_bounded_and_errors_name_the_file() {
        let long = read(CWD, b"/dev/zero", 10_000);
        assert_eq!(long, Err(Failed::TooLong { path: "/dev/zero".into(), limit: 10_000 }));

        let absent = read(CWD, b"/proc/self/no such file", SMALL).unwrap_err();
        assert!(absent.is_absent());
        let said = absent.to_string();
        assert_eq!(said, "/proc/self/no such file: ENOENT (No such file or directory)");
    }

    #[test]
    fn a_long_file_of_procfs_is_read_to_its_end() {
        let content = text(CWD, b"/proc/self/smaps", 64 << 20).unwrap();
        assert!(content.len() > 4096 && content.ends_with('\n'), "{}", content.len());
    }
}
