//! From a layer's archive to a directory that overlayfs can use, and to nothing outside it.
//!
//! | in the archive | in the directory |
//! |---|---|
//! | file, directory, symbolic link, FIFO | itself: mode with all its bits whatever the umask is, time, and owner ([`Ownership`]) |
//! | hard link | a link to an earlier file of the same layer |
//! | `.wh.name` | a character device 0:0 called `name`: overlayfs hides what lies below |
//! | `.wh..wh..opq` | the attribute `overlay.opaque` on the directory |
//! | device nodes | nothing, and a note in [`Skipped`]: containers get their own `/dev`, and a node 0:0 would be a whiteout that no whiteout entry shows |
//! | attributes `user.*`, as root also `security.capability` | themselves; others are skipped, above all `overlay.*`, which would redirect overlayfs |
//! | `/name` | `name` |
//! | a path with `..`, through a symbolic link or through a file | refused, and the layer with it |
//!
//! An entry replaces an earlier one of its path, but a directory keeps what is in it. Directories
//! that no entry makes get mode 0755 and belong to root.
//!
//! Every path is resolved by the kernel from the layer's own directory, with symbolic links,
//! magic links, mount points and `..` forbidden, and what is done is done relative to descriptors.
//! So the worst that a hostile layer can do is not to unpack.
//!
//! Knows nothing of digests, compression and stores.
//!
//! Source: the OCI image specification, "Image Layer Filesystem Changeset"; the kernel's
//! `Documentation/filesystems/overlayfs.rst`; openat2(2), Linux 5.6.

mod meta;
mod path;
mod skipped;
mod tree;

use std::io::Read;
use std::os::fd::OwnedFd;

use thiserror::Error;

use crate::tar::{Entry, EntryKind, TarError, TarReader};
use meta::Meta;
pub use meta::Ownership;
pub(crate) use path::LayerPath;
use path::Name;
pub(crate) use skipped::Report;
pub use skipped::Skipped;
use tree::Tree;

/// How much one image may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Entries of all its layers.
    pub entries: u64,
    /// Bytes of all its layers, decompressed.
    pub bytes: u64,
}

impl Default for Limits {
    /// A million entries and 64 GiB: several times what the largest images in use have.
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 30 }
    }
}

/// Why a layer cannot be unpacked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The archive cannot be read.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// An entry cannot be, or must not be, made.
    #[error("entry `{}`: {why}", entry.escape_debug())]
    Entry {
        /// The path as the archive has it.
        entry: String,
        /// Why not.
        why: EntryError,
    },
    /// There are more entries than an image may have.
    #[error("the image has more entries than the limit of {0}")]
    TooManyEntries(u64),
}

/// Why an entry cannot be, or must not be, made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Its path is not one that a layer may use.
    #[error("the path {0}")]
    Path(&'static str),
    /// Its path goes through something that is not a directory of this layer.
    #[error("its path goes through `{}`, which is {kind}", through.escape_debug())]
    Through {
        /// The offending part of the path.
        through: String,
        /// What that is.
        kind: &'static str,
    },
    /// What a hard link points to cannot be linked.
    #[error("its target `{}` {why}", target.escape_debug())]
    Target {
        /// The target as the archive has it.
        target: String,
        /// Why not.
        why: &'static str,
    },
    /// A number is not an id, mode or size that a file can have.
    #[error("its {what} {value} is out of range")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: i64,
    },
    /// The system refused to make it.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried: completes "cannot …".
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl EntryError {
    pub(crate) fn errno(doing: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |source| Self::Io { doing, source: source.into() }
    }
}

/// Unpacks `archive` into the empty directory `into`.
///
/// `limits` is what the image may still hold; the caller limits the bytes of the archive itself.
///
/// # Errors
///
/// [`UnpackError`]. The directory is then in any state, and has to be removed.
pub(crate) fn unpack(
    archive: impl Read,
    into: OwnedFd,
    ownership: Ownership,
    limits: Limits,
) -> Result<Report, UnpackError> {
    let mut archive = TarReader::new(archive);
    let mut builder = Builder { limits, ..Builder::new(into, ownership) };
    while let Some(entry) = archive.next_entry()? {
        builder.add(&entry, &mut archive)?;
    }
    builder.finish()
}

/// Fills a layer with entries that do not come from an archive.
pub(crate) struct Builder {
    tree: Tree,
    limits: Limits,
    report: Report,
}

impl Builder {
    /// Begins to fill the empty directory `into`.
    pub(crate) fn new(into: OwnedFd, ownership: Ownership) -> Self {
        let tree = Tree::new(into, ownership);
        Self { tree, limits: Limits::default(), report: Report::default() }
    }

    /// Makes one entry, whose content is all of `content`.
    pub(crate) fn add(
        &mut self,
        entry: &Entry,
        content: &mut impl Read,
    ) -> Result<(), UnpackError> {
        self.report.entries += 1;
        if self.report.entries > self.limits.entries {
            return Err(UnpackError::TooManyEntries(self.limits.entries));
        }
        make(entry, content, &mut self.tree, self.limits, &mut self.report)
            .map_err(|why| UnpackError::Entry { entry: shown(&entry.path), why })
    }

    /// Gives the directories what they shall have.
    pub(crate) fn finish(self) -> Result<Report, UnpackError> {
        let Self { tree, mut report, .. } = self;
        report.hides_all_below =
            tree.finish().map_err(|(path, why)| UnpackError::Entry { entry: shown(&path), why })?;
        Ok(report)
    }
}

fn make(
    entry: &Entry,
    archive: &mut impl Read,
    tree: &mut Tree,
    limits: Limits,
    report: &mut Report,
) -> Result<(), EntryError> {
    let path = LayerPath::new(&entry.path)?;
    let meta = Meta::new(entry)?;

    match path.name() {
        // The root itself can be described, not replaced.
        None if entry.kind == EntryKind::Directory => {}
        None => return Err(EntryError::Path("is the layer's root, which is a directory")),
        Some(Name::Plain(_)) => {}
        Some(Name::Opaque) => return tree.hide_below(&path),
        Some(Name::Whiteout(hidden)) => return tree.whiteout(&path.sibling(hidden)?),
        // Bookkeeping of AUFS, which old layers have and nobody needs.
        Some(Name::Aufs) => return Ok(()),
    }
    let skipped = match entry.kind {
        EntryKind::Directory => tree.directory(&path, meta)?,
        EntryKind::File => {
            if entry.size > limits.bytes {
                let value = i64::try_from(entry.size).unwrap_or(i64::MAX);
                return Err(EntryError::OutOfRange { what: "size", value });
            }
            tree.file(&path, &meta, entry, archive)?
        }
        EntryKind::HardLink => tree.hard_link(&path, &entry.link)?,
        EntryKind::Symlink => tree.symlink(&path, &meta, &entry.link)?,
        EntryKind::Fifo => tree.fifo(&path, &meta)?,
        EntryKind::CharDevice | EntryKind::BlockDevice => {
            report.skip(Skipped::Device { path: shown(&entry.path) });
            Vec::new()
        }
    };
    for name in skipped {
        report.skip(Skipped::Attribute { path: shown(&entry.path), name: shown(&name) });
    }
    Ok(())
}

/// A name of the archive for a message: cut, and whatever it is made of.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(256)]).into_owned()
}

#[cfg(test)]
mod tests;
