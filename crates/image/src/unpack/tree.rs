//! The directory that a layer becomes.
//!
//! The only place that makes anything of a layer. It works on descriptors that the kernel has
//! resolved from the root with every way out forbidden.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, XattrFlags, chownat, ftruncate, linkat, mkdirat,
    mknodat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::meta::{Meta, Ownership};
use super::path::LayerPath;
use super::{EntryError, shown};
use crate::remove::remove_at;
use crate::tar::{Entry, Extent};

/// A layer's directory while it is filled.
pub(super) struct Tree {
    root: OwnedFd,
    ownership: Ownership,
    /// The directory of the entry before: the next one is mostly in the same.
    last: Option<(LayerPath, OwnedFd)>,
    /// What directories shall have in the end. Until then they are ours and writable, and their
    /// times change with everything that is made in them.
    directories: BTreeMap<Vec<u8>, Meta>,
    /// The length of all their paths together.
    described: usize,
    hides_all_below: bool,
}

/// What there is under a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Existing {
    Nothing,
    Directory,
    /// A character device: a layer gets no others than the whiteouts that are made here.
    Whiteout,
    Symlink,
    Other,
}

impl Tree {
    pub(super) fn new(root: OwnedFd, ownership: Ownership) -> Self {
        let directories = [(Vec::new(), Meta::implied())].into();
        Self { root, ownership, last: None, directories, described: 0, hides_all_below: false }
    }

    /// Makes a directory, or describes one that is there. Returns the attributes left out, as all
    /// of these do.
    pub(super) fn directory(
        &mut self,
        path: &LayerPath,
        meta: Meta,
    ) -> Result<Vec<Vec<u8>>, EntryError> {
        let directory = match path.last() {
            None => self.open(path).map_err(EntryError::errno("open the root"))?,
            Some(name) => {
                let parent = self.parent_of(path)?;
                match existing(&parent, name)? {
                    Existing::Directory => {}
                    Existing::Nothing => {
                        self.make_directory(&parent, path, name, Hides::Nothing)?
                    }
                    Existing::Whiteout => {
                        unlink(&parent, name)?;
                        self.make_directory(&parent, path, name, Hides::Below)?;
                    }
                    Existing::Symlink | Existing::Other => {
                        unlink(&parent, name)?;
                        self.make_directory(&parent, path, name, Hides::Nothing)?;
                    }
                }
                open_beneath(&parent, name).map_err(EntryError::errno("open the directory"))?
            }
        };
        let skipped = meta.set_xattrs(&directory, self.ownership)?;
        self.describe(path, meta.without_xattrs())?;
        Ok(skipped)
    }

    pub(super) fn file(
        &mut self,
        path: &LayerPath,
        meta: &Meta,
        entry: &Entry,
        content: &mut impl Read,
    ) -> Result<Vec<Vec<u8>>, EntryError> {
        let (parent, name) = self.clear(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = openat(&parent, name, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
            .map_err(EntryError::errno("make the file"))?;

        let mut file = File::from(file);
        let written = match &entry.sparse {
            None => io::copy(content, &mut file).map(|_| ()),
            Some(map) => write_sparse(&mut file, content, map, entry.size),
        };
        written.map_err(|source| EntryError::Io { doing: "write the file", source })?;

        meta.apply(&file, self.ownership)?;
        let skipped = meta.set_xattrs(&file, self.ownership)?;
        // An attribute changes no time that matters, but a file system may see that differently.
        Ok(skipped)
    }

    pub(super) fn hard_link(
        &mut self,
        path: &LayerPath,
        target: &[u8],
    ) -> Result<Vec<Vec<u8>>, EntryError> {
        let refused = |why| EntryError::Target { target: shown(target), why };
        let to = LayerPath::new(target).map_err(|_| refused("is not a path within the layer"))?;
        let target_name = to.last().ok_or_else(|| refused("is a directory"))?;
        // Opened and not made: a link to nothing must not leave directories behind.
        let target_parent = self.open(&to.parent()).map_err(|errno| match errno {
            Errno::NOENT => refused("is not in this layer before the link"),
            Errno::LOOP | Errno::NOTDIR | Errno::XDEV => {
                refused("goes through a symbolic link or a file")
            }
            _ => EntryError::errno("find the target")(errno),
        })?;
        match existing(&target_parent, target_name)? {
            Existing::Nothing => return Err(refused("is not in this layer before the link")),
            Existing::Directory => return Err(refused("is a directory")),
            Existing::Whiteout => return Err(refused("is a whiteout")),
            Existing::Symlink | Existing::Other => {}
        }
        if to == *path {
            return Ok(Vec::new());
        }
        let (parent, name) = self.clear(path)?;
        // Without AT_SYMLINK_FOLLOW a link to a symbolic link is another name of that link.
        linkat(&target_parent, target_name, &parent, name, AtFlags::empty())
            .map_err(EntryError::errno("make the link"))?;
        Ok(Vec::new())
    }

    pub(super) fn symlink(
        &mut self,
        path: &LayerPath,
        meta: &Meta,
        target: &[u8],
    ) -> Result<Vec<Vec<u8>>, EntryError> {
        if target.is_empty() || target.len() > MAX_TARGET || target.contains(&0) {
            let why = "is empty, too long or has a NUL in it";
            return Err(EntryError::Target { target: shown(target), why });
        }
        let (parent, name) = self.clear(path)?;
        symlinkat(target, &parent, name).map_err(EntryError::errno("make the symbolic link"))?;
        if self.ownership == Ownership::Kept {
            chownat(&parent, name, Some(meta.uid), Some(meta.gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(EntryError::errno("set the owner"))?;
        }
        utimensat(&parent, name, &meta.times(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(EntryError::errno("set the time"))?;
        Ok(Vec::new())
    }

    pub(super) fn fifo(
        &mut self,
        path: &LayerPath,
        meta: &Meta,
    ) -> Result<Vec<Vec<u8>>, EntryError> {
        let (parent, name) = self.clear(path)?;
        mknodat(&parent, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .map_err(EntryError::errno("make the FIFO"))?;
        // Without O_NONBLOCK this would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fifo = openat(&parent, name, flags, Mode::empty())
            .map_err(EntryError::errno("open the FIFO"))?;
        meta.apply(&fifo, self.ownership)?;
        Ok(Vec::new())
    }

    /// Hides what lower layers have under `path`. What this layer has there stays, as the
    /// specification asks; a directory of it then hides what it would be merged with.
    pub(super) fn whiteout(&mut self, path: &LayerPath) -> Result<(), EntryError> {
        let Some(name) = path.last() else { return Ok(()) };
        let parent = self.parent_of(path)?;
        match existing(&parent, name)? {
            Existing::Nothing => {
                mknodat(&parent, name, FileType::CharacterDevice, Mode::empty(), 0)
                    .map_err(EntryError::errno("make the whiteout"))
            }
            Existing::Directory => {
                let directory =
                    open_beneath(&parent, name).map_err(EntryError::errno("open the directory"))?;
                self.mark_opaque(&directory)
            }
            Existing::Whiteout | Existing::Symlink | Existing::Other => Ok(()),
        }
    }

    /// Hides what lower layers have in the directory of the marker `path`.
    pub(super) fn hide_below(&mut self, path: &LayerPath) -> Result<(), EntryError> {
        let directory = self.parent_of(path)?;
        if path.parent().is_root() {
            self.hides_all_below = true;
        }
        self.mark_opaque(&directory)
    }

    /// Gives the directories what they shall have. Returns whether the root hides all lower layers.
    pub(super) fn finish(mut self) -> Result<bool, (Vec<u8>, EntryError)> {
        let directories = std::mem::take(&mut self.directories);
        // Backwards, so that a directory is closed to us only after all that is in it.
        for (path, meta) in directories.iter().rev() {
            LayerPath::new(if path.is_empty() { b"." } else { path })
                .and_then(|path| self.open(&path).map_err(EntryError::errno("open the directory")))
                .and_then(|directory| meta.apply(&directory, self.ownership))
                .map_err(|why| (path.clone(), why))?;
        }
        Ok(self.hides_all_below)
    }

    /// Removes what is under `path`, and returns its directory and its name.
    fn clear<'a>(&mut self, path: &'a LayerPath) -> Result<(OwnedFd, &'a [u8]), EntryError> {
        let name = path.last().ok_or(EntryError::Path("is the layer's root"))?;
        let parent = self.parent_of(path)?;
        match existing(&parent, name)? {
            Existing::Nothing => {}
            Existing::Directory => {
                remove_at(&parent, name)
                    .map_err(|source| EntryError::Io { doing: "remove what was there", source })?;
                self.forget(path);
            }
            Existing::Whiteout | Existing::Symlink | Existing::Other => unlink(&parent, name)?,
        }
        Ok((parent, name))
    }

    /// Notes what a directory shall have in the end.
    fn describe(&mut self, path: &LayerPath, meta: Meta) -> Result<(), EntryError> {
        if self.directories.insert(path.bytes().to_vec(), meta).is_none() {
            self.described += path.bytes().len();
        }
        // A layer of nothing but long directory names must not fill the memory.
        if self.described > MAX_DESCRIBED {
            return Err(EntryError::Path("is one of too many of directories"));
        }
        Ok(())
    }

    /// Forgets a directory that is gone, with all that was in it.
    fn forget(&mut self, path: &LayerPath) {
        self.last = None;
        if self.directories.remove(path.bytes()).is_some() {
            self.described -= path.bytes().len();
        }
        // `0` is the byte after `/`: exactly what begins with the path and a slash.
        let within = [path.bytes(), b"/"].concat()..[path.bytes(), b"0"].concat();
        for (path, _) in self.directories.extract_if(within, |_, _| true) {
            self.described -= path.len();
        }
    }

    /// Opens the directory of `path`, and makes what is missing of it.
    fn parent_of(&mut self, path: &LayerPath) -> Result<OwnedFd, EntryError> {
        let parent = path.parent();
        let found = match &self.last {
            Some((last, directory)) if *last == parent => directory.try_clone().ok(),
            _ => None,
        };
        let directory = match found {
            Some(directory) => return Ok(directory),
            None => self.open(&parent).or_else(|_| self.walk(&parent))?,
        };
        if let Ok(copy) = directory.try_clone() {
            self.last = Some((parent, copy));
        }
        Ok(directory)
    }

    /// Walks to a directory, and makes what is missing on the way.
    fn walk(&mut self, path: &LayerPath) -> Result<OwnedFd, EntryError> {
        let mut directory = open_beneath(&self.root, b".")
            .map_err(EntryError::errno("open the layer's directory"))?;
        let mut end = 0;
        for name in path.names() {
            end += if end == 0 { name.len() } else { 1 + name.len() };
            let so_far = &path.bytes()[..end];
            let through = |kind| EntryError::Through { through: shown(so_far), kind };
            let here = LayerPath::new(so_far)?;
            match existing(&directory, name)? {
                Existing::Directory => {}
                Existing::Nothing => {
                    self.make_directory(&directory, &here, name, Hides::Nothing)?
                }
                Existing::Whiteout => {
                    unlink(&directory, name)?;
                    self.make_directory(&directory, &here, name, Hides::Below)?;
                }
                Existing::Symlink => return Err(through("a symbolic link")),
                Existing::Other => return Err(through("not a directory")),
            }
            directory = open_beneath(&directory, name)
                .map_err(EntryError::errno("open a directory of its path"))?;
        }
        Ok(directory)
    }

    fn make_directory(
        &mut self,
        parent: &OwnedFd,
        path: &LayerPath,
        name: &[u8],
        hides: Hides,
    ) -> Result<(), EntryError> {
        mkdirat(parent, name, Mode::RWXU).map_err(EntryError::errno("make the directory"))?;
        self.describe(path, Meta::implied())?;
        match hides {
            Hides::Nothing => Ok(()),
            Hides::Below => {
                let directory =
                    open_beneath(parent, name).map_err(EntryError::errno("open the directory"))?;
                self.mark_opaque(&directory)
            }
        }
    }

    fn mark_opaque(&self, directory: &OwnedFd) -> Result<(), EntryError> {
        rustix::fs::fsetxattr(directory, self.ownership.opaque(), b"y", XattrFlags::empty())
            .map_err(EntryError::errno("mark the directory as opaque"))
    }

    /// Opens a directory that is there.
    fn open(&self, path: &LayerPath) -> Result<OwnedFd, Errno> {
        open_beneath(&self.root, if path.is_root() { b"." } else { path.bytes() })
    }
}

/// Does a new directory take the place of a whiteout, and hide what that hid?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hides {
    Nothing,
    Below,
}

/// Opens a directory in or below `directory`. The kernel refuses links, `..`, and other mounts.
fn open_beneath(directory: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    openat2(directory, path, flags, Mode::empty(), resolve)
}

fn existing(directory: impl AsFd, name: &[u8]) -> Result<Existing, EntryError> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(Existing::Nothing),
        Err(errno) => Err(EntryError::errno("look at what is there")(errno)),
        Ok(stat) => Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Existing::Directory,
            FileType::CharacterDevice => Existing::Whiteout,
            FileType::Symlink => Existing::Symlink,
            FileType::RegularFile
            | FileType::Fifo
            | FileType::Socket
            | FileType::BlockDevice
            | FileType::Unknown => Existing::Other,
        }),
    }
}

fn unlink(directory: &OwnedFd, name: &[u8]) -> Result<(), EntryError> {
    unlinkat(directory, name, AtFlags::empty()).map_err(EntryError::errno("remove what was there"))
}

fn write_sparse(
    file: &mut File,
    content: &mut impl Read,
    map: &[Extent],
    size: u64,
) -> io::Result<()> {
    for extent in map {
        file.seek(SeekFrom::Start(extent.offset))?;
        if io::copy(&mut content.take(extent.length), file)? < extent.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(ftruncate(file.as_fd(), size)?)
}

const MAX_TARGET: usize = 4095;
const MAX_DESCRIBED: usize = 64 << 20;
