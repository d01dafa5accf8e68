//! An entry, put together from its header and what extends it.

use super::TarErrorKind;
use super::header::{Format, Header};
use super::pax::Extensions;
use super::sparse::{self, Extent};

/// One entry of an archive, as it says about itself; nothing here is checked against the world.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: EntryKind,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) mtime: Time,
    /// The size of the file.
    pub(crate) size: u64,
    /// The bytes that the archive holds of it: less than its size if it is sparse.
    pub(crate) stored: u64,
    /// Where these bytes belong, if it is sparse.
    pub(crate) sparse: Option<Vec<Extent>>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EntryKind {
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// A time since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    /// Less than a second, and always forwards.
    pub(crate) nanoseconds: u32,
}

/// Where the map of a sparse file is.
pub(super) enum SparseMap {
    None,
    Known(Vec<Extent>),
    InHeader,
    InContent,
}

/// Puts an entry together.
pub(super) fn merge(
    header: &Header,
    extensions: Extensions,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
) -> Result<(Entry, SparseMap), TarErrorKind> {
    let pax_path = extensions.sparse.name.clone().or(extensions.path);
    let path = either(long_name, pax_path)?.unwrap_or_else(|| header.name());
    let link = either(long_link, extensions.link)?.unwrap_or_else(|| header.link());
    let kind = kind(header.type_flag(), &path)?;

    let stored = match kind {
        EntryKind::File => extensions.size.map_or_else(|| header.size(), Ok)?,
        // Only files have content; what the header says about others is without meaning.
        EntryKind::HardLink
        | EntryKind::Symlink
        | EntryKind::CharDevice
        | EntryKind::BlockDevice
        | EntryKind::Directory
        | EntryKind::Fifo => 0,
    };
    let seconds = Time { seconds: header.mtime()?, nanoseconds: 0 };
    let mut entry = Entry {
        path,
        link,
        kind,
        mode: header.mode()?,
        uid: extensions.uid.map_or_else(|| header.uid(), Ok)?,
        gid: extensions.gid.map_or_else(|| header.gid(), Ok)?,
        mtime: extensions.mtime.unwrap_or(seconds),
        size: stored,
        stored,
        sparse: None,
        xattrs: extensions.xattrs,
    };

    let keys = extensions.sparse;
    let is_old_sparse = header.type_flag() == b'S';
    if is_old_sparse && (!keys.is_unused() || header.format() != Format::Gnu) {
        return Err(TarErrorKind::Format("a sparse file is described in two ways"));
    }
    let map = if is_old_sparse {
        entry.size = sparse::real_size(header)?;
        SparseMap::InHeader
    } else if keys.is_unused() {
        SparseMap::None
    } else {
        if kind != EntryKind::File {
            return Err(TarErrorKind::Format("something is sparse that is not a file"));
        }
        let no_size = TarErrorKind::Format("a sparse file does not say its size");
        entry.size = keys.size.ok_or(no_size)?;
        match keys.major {
            Some(1) if keys.map.is_empty() => SparseMap::InContent,
            Some(0) | None => SparseMap::Known(keys.map),
            Some(_) => return Err(TarErrorKind::Format("an unknown kind of sparse file")),
        }
    };
    Ok((entry, map))
}

fn kind(type_flag: u8, path: &[u8]) -> Result<EntryKind, TarErrorKind> {
    Ok(match type_flag {
        // Before there was a type for directories, a slash at the end made one.
        0 | b'0' | b'7' if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => return Err(TarErrorKind::UnknownType(other)),
    })
}

fn either(gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, TarErrorKind> {
    match (gnu, pax) {
        (Some(_), Some(_)) => Err(TarErrorKind::Format("an entry has a long name of two kinds")),
        (gnu, pax) => Ok(gnu.or(pax)),
    }
}
