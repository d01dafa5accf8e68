//! A file or directory whose members can be read in any order.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::decompress::decompress;
use crate::digest::Digesting;
use crate::progress::Watched;
use crate::store::{Content, Work};
use crate::tar::{EntryKind, TarReader};
use crate::unpack::LayerPath;
use crate::{Digest, Error, Progress};

/// Where an image is imported from.
pub(crate) struct Source {
    path: PathBuf,
    members: Members,
}

enum Members {
    Directory(OwnedFd),
    Archive(Arc<File>, HashMap<Vec<u8>, Member>),
}

/// A member of an archive.
#[derive(Clone, Debug)]
enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// `docker save` links layers that several images share; the target as a path from the root.
    Link(Vec<u8>),
}

/// A part of a file, read without moving its position.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Source {
    /// Opens a directory or an archive. One that is compressed, or that can be read only once, is
    /// written to a file of `work` first.
    pub(super) fn open(
        path: &Path,
        work: &Work<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let found = file.metadata().map_err(Error::io("look at", path))?;
        if found.is_dir() {
            return Ok(Self { path: path.to_owned(), members: Members::Directory(file.into()) });
        }
        let file = if found.is_file() && is_plain(&file).map_err(Error::io("read", path))? {
            file
        } else {
            let label = format!("read {}", path.display());
            let total = found.is_file().then_some(found.len());
            spool(Watched::new(file, progress, &label, total), path, work)?
        };
        let members = index(&file, path)?;
        Ok(Self { path: path.to_owned(), members: Members::Archive(Arc::new(file), members) })
    }

    /// Opens a directory or an archive that can be read as it is; `None` if it is no archive.
    pub(crate) fn open_plain(path: &Path) -> Result<Option<Self>, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let found = file.metadata().map_err(Error::io("look at", path))?;
        if found.is_dir() {
            return Ok(Some(Self {
                path: path.to_owned(),
                members: Members::Directory(file.into()),
            }));
        }
        if !found.is_file() || !is_archive(&file).map_err(Error::io("read", path))? {
            return Ok(None);
        }
        let members = index(&file, path)?;
        Ok(Some(Self { path: path.to_owned(), members: Members::Archive(Arc::new(file), members) }))
    }

    /// Reads a small member, which has to be there.
    pub(super) fn read(&self, member: &str) -> Result<Vec<u8>, Error> {
        let missing = || Error::Malformed {
            what: self.path.display().to_string(),
            why: format!("`{}` is missing", member.escape_debug()),
        };
        self.read_if_there(member)?.ok_or_else(missing)
    }

    pub(crate) fn read_if_there(&self, member: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(part) = self.part(member)? else { return Ok(None) };
        let what = || format!("`{}`", member.escape_debug());
        if part.end - part.at > MAX_DOCUMENT {
            return Err(Error::TooLarge { what: what(), limit: MAX_DOCUMENT });
        }
        let mut bytes = Vec::new();
        part.take(MAX_DOCUMENT).read_to_end(&mut bytes).map_err(Error::io("read", &self.path))?;
        Ok(Some(bytes))
    }

    /// Opens a layer.
    pub(crate) fn content(&self, member: &str, digest: Option<Digest>) -> Result<Content, Error> {
        let part = self.part(member)?.ok_or_else(|| Error::Malformed {
            what: self.path.display().to_string(),
            why: format!("the layer `{}` is missing", member.escape_debug()),
        })?;
        let size = part.end - part.at;
        Ok(Content { reader: Box::new(part), size, digest })
    }

    fn part(&self, member: &str) -> Result<Option<Part>, Error> {
        match &self.members {
            Members::Directory(directory) => {
                open_member(directory, member).map_err(Error::io("open", &self.path.join(member)))
            }
            Members::Archive(file, members) => {
                let Ok(path) = LayerPath::new(member.as_bytes()) else { return Ok(None) };
                let mut found = members.get(path.bytes());
                for _ in 0..MAX_LINKS {
                    match found {
                        Some(Member::Link(target)) => found = members.get(target),
                        Some(&Member::File { at, size }) => {
                            return Ok(Some(Part { file: file.clone(), at, end: at + size }));
                        }
                        None => break,
                    }
                }
                Ok(None)
            }
        }
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// Opens a file of a layout. Its links may not lead out, and a FIFO must not make us wait.
fn open_member(directory: &OwnedFd, member: &str) -> io::Result<Option<Part>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = match rustix::fs::openat2(directory, member, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    let stat = rustix::fs::fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("not a file"));
    }
    let end = u64::try_from(stat.st_size).map_err(io::Error::other)?;
    Ok(Some(Part { file: Arc::new(File::from(opened)), at: 0, end }))
}

/// Notes where the members of an archive are.
fn index(file: &File, path: &Path) -> Result<HashMap<Vec<u8>, Member>, Error> {
    let wrong = |why: String| Error::Malformed { what: path.display().to_string(), why };
    let reader = file.try_clone().map_err(Error::io("read", path))?;
    let mut archive = TarReader::seeking(BufReader::with_capacity(1 << 12, reader));
    let mut members = HashMap::new();
    while let Some(entry) = archive.next_entry().map_err(|it| wrong(it.to_string()))? {
        let Ok(name) = LayerPath::new(&entry.path) else { continue };
        let member = match entry.kind {
            EntryKind::File if entry.sparse.is_none() => {
                Member::File { at: archive.position(), size: entry.stored }
            }
            EntryKind::Symlink => Member::Link(link_target(name.bytes(), &entry.link)),
            EntryKind::HardLink => Member::Link(entry.link),
            EntryKind::File
            | EntryKind::CharDevice
            | EntryKind::BlockDevice
            | EntryKind::Directory
            | EntryKind::Fifo => continue,
        };
        members.insert(name.bytes().to_vec(), member);
        if members.len() > MAX_MEMBERS {
            return Err(wrong(format!("it has more than {MAX_MEMBERS} members")));
        }
    }
    Ok(members)
}

/// Where the link `name` leads: a name of the same archive, or one that it does not have.
fn link_target(name: &[u8], target: &[u8]) -> Vec<u8> {
    let slash = |byte: &u8| *byte == b'/';
    let mut names: Vec<&[u8]> = name.split(slash).collect();
    names.pop();
    for part in target.split(slash).filter(|part| !matches!(*part, b"" | b".")) {
        if part == b".." {
            names.pop();
        } else {
            names.push(part);
        }
    }
    names.join(&b'/')
}

fn is_plain(file: &File) -> io::Result<bool> {
    let mut start = [0; 4];
    let count = file.read_at(&mut start, 0)?;
    let start = &start[..count];
    Ok(!start.starts_with(&[0x1f, 0x8b]) && !start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]))
}

/// Whether a file says that it is a tar archive (`ustar`, in the first header).
fn is_archive(file: &File) -> io::Result<bool> {
    let mut magic = [0; 5];
    Ok(file.read_at(&mut magic, 257)? == magic.len() && &magic == b"ustar")
}

/// Writes an archive, decompressed, to a file without a name.
fn spool(reader: impl Read, path: &Path, work: &Work<'_>) -> Result<File, Error> {
    let scratch = work.scratch("archive");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&scratch)
        .map_err(Error::io("make", &scratch))?;
    fs::remove_file(&scratch).map_err(Error::io("remove", &scratch))?;
    let reader =
        decompress(BufReader::with_capacity(1 << 16, reader)).map_err(Error::io("read", path))?;
    // The limit is that of an image; an archive of several large ones can be imported plain.
    io::copy(&mut Digesting::new(reader, work.bytes_left()), &mut file)
        .and_then(|_| file.flush())
        .and_then(|()| file.rewind())
        .map_err(Error::io("read", path))?;
    Ok(file)
}

/// Larger than any configuration, manifest or index in use.
const MAX_DOCUMENT: u64 = 8 << 20;
const MAX_MEMBERS: usize = 100_000;
const MAX_LINKS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_names_of_the_archive() {
        for (name, target, expected) in [
            ("a/layer.tar", "../b/layer.tar", "b/layer.tar"),
            ("a/layer.tar", "x.tar", "a/x.tar"),
            ("a/layer.tar", "../../../etc/passwd", "etc/passwd"),
            ("a", "./b", "b"),
        ] {
            let found = link_target(name.as_bytes(), target.as_bytes());
            assert_eq!(found, expected.as_bytes(), "{name} -> {target}");
        }
    }
}
