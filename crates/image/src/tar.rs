//! A reader of tar archives that a stranger has written.
//!
//! Reads what layers and `docker save` archives are made of: old, ustar, GNU and pax headers, long
//! names, numbers in base 256, all four kinds of sparse files. An archive has one reading or is
//! refused: where two tools could disagree (two extended names for one entry, a bad checksum, an
//! unknown type), an attacker could show each of them another archive.
//!
//! Nothing is read into memory before its size is checked against a limit of its own; that is why
//! this is not left to a general library. The reader knows nothing of files and directories.
//!
//! Source: POSIX.1-2024 pax, "pax Interchange Format" and "ustar Interchange Format"; GNU tar's
//! manual, "Tar Internals".

mod entry;
mod header;
mod pax;
mod sparse;

use std::io::{self, Read, Seek};

use thiserror::Error;

pub(crate) use entry::{Entry, EntryKind, Time};
use header::{BLOCK, Header};
use pax::Extensions;
pub(crate) use sparse::Extent;

/// Why an archive cannot be read.
#[derive(Debug, Error)]
#[error("at byte {at} of the archive: {why}")]
pub struct TarError {
    /// Where the entry begins that cannot be read.
    pub at: u64,
    /// What is wrong with it.
    pub why: TarErrorKind,
}

/// The ways in which an archive can be wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarErrorKind {
    /// It cannot be read, or ends in the middle of something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It breaks the format, or leaves room for two readings.
    #[error("{0}")]
    Format(&'static str),
    /// An entry's type is not one that we know.
    #[error("an entry has the unknown type `{}`", .0.escape_ascii())]
    UnknownType(u8),
}

/// Reads the entries of an archive one after the other; the reader itself reads the content of the
/// entry that came last.
pub(crate) struct TarReader<R> {
    source: R,
    skip: fn(&mut R, u64) -> io::Result<()>,
    position: u64,
    /// What is left of the content of the current entry.
    left: u64,
    /// What comes after it, up to the next block.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    /// Reads an archive from its beginning to its end.
    pub(crate) fn new(source: R) -> Self {
        Self { source, skip: read_past, position: 0, left: 0, padding: 0 }
    }

    /// Returns the next entry, or `None` at the end of the archive.
    ///
    /// # Errors
    ///
    /// [`TarError`]; there is no way to go on after one.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let at = self.position + self.left + self.padding;
        self.read_entry().map_err(|why| TarError { at, why })
    }

    /// Where in the archive the content of the current entry begins, before any of it is read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn read_entry(&mut self) -> Result<Option<Entry>, TarErrorKind> {
        let mut long_name = None;
        let mut long_link = None;
        let mut extensions = None;
        loop {
            self.skip_content()?;
            let Some(header) = self.read_header()? else {
                if long_name.is_some() || long_link.is_some() || extensions.is_some() {
                    return Err(TarErrorKind::Format("it ends after an extension of an entry"));
                }
                return Ok(None);
            };
            match header.type_flag() {
                b'L' => once(&mut long_name, self.read_long_name(&header)?)?,
                b'K' => once(&mut long_link, self.read_long_name(&header)?)?,
                b'x' | b'X' => once(&mut extensions, pax::parse(&self.read_small(&header)?)?)?,
                // Says something about all entries to come. Layers use it for comments only; an
                // attribute in it that counted would be read by some tools and not by others.
                b'g' => pax::check_global(&self.read_small(&header)?)?,
                _ => {
                    let extensions = extensions.unwrap_or_default();
                    return self.finish(&header, extensions, long_name, long_link).map(Some);
                }
            }
        }
    }

    fn finish(
        &mut self,
        header: &Header,
        extensions: Extensions,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, TarErrorKind> {
        let (mut entry, has_sparse_map) = entry::merge(header, extensions, long_name, long_link)?;
        self.begin_content(entry.stored)?;
        match has_sparse_map {
            entry::SparseMap::None => {}
            entry::SparseMap::Known(map) => entry.sparse = Some(map),
            entry::SparseMap::InHeader => {
                // The continuations of the map come before the content and are not part of it.
                self.begin_content(0)?;
                entry.sparse = Some(sparse::from_header(header, || self.read_block())?);
                self.begin_content(entry.stored)?;
            }
            entry::SparseMap::InContent => {
                entry.sparse = Some(sparse::from_content(|| {
                    let mut block = [0; BLOCK];
                    self.read_exact(&mut block)?;
                    Ok(block)
                })?);
                entry.stored = self.left;
            }
        }
        if let Some(map) = &entry.sparse {
            sparse::check(map, entry.stored, entry.size)?;
        }
        Ok(entry)
    }

    /// Reads the next header that is not zero; one block of zeros ends the archive.
    fn read_header(&mut self) -> Result<Option<Header>, TarErrorKind> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut block[filled..])? {
                // Archives without the closing zeros exist, and end between two entries.
                0 if filled == 0 => return Ok(None),
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                count => filled += count,
            }
        }
        self.position += BLOCK as u64;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        Header::new(block).map(Some)
    }

    fn read_block(&mut self) -> Result<[u8; BLOCK], TarErrorKind> {
        let mut block = [0; BLOCK];
        self.source.read_exact(&mut block)?;
        self.position += BLOCK as u64;
        Ok(block)
    }

    fn read_long_name(&mut self, header: &Header) -> Result<Vec<u8>, TarErrorKind> {
        let mut name = self.read_small(header)?;
        if let Some(end) = name.iter().position(|&byte| byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    /// Reads the content of an entry that describes the next one.
    fn read_small(&mut self, header: &Header) -> Result<Vec<u8>, TarErrorKind> {
        let size = header.size()?;
        if size > MAX_EXTENSION {
            return Err(TarErrorKind::Format("an extended header is larger than 1 MiB"));
        }
        self.begin_content(size)?;
        let mut content = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.read_exact(&mut content)?;
        Ok(content)
    }

    fn begin_content(&mut self, size: u64) -> Result<(), TarErrorKind> {
        let whole = size.checked_next_multiple_of(BLOCK as u64);
        let whole = whole.filter(|whole| self.position.checked_add(*whole).is_some());
        let whole = whole.ok_or(TarErrorKind::Format("the size of an entry is out of range"))?;
        self.left = size;
        self.padding = whole - size;
        Ok(())
    }

    fn skip_content(&mut self) -> io::Result<()> {
        let count = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        (self.skip)(&mut self.source, count)?;
        self.position += count;
        Ok(())
    }
}

impl<R: Read + Seek> TarReader<R> {
    /// Reads an archive whose content may be stepped over.
    pub(crate) fn seeking(source: R) -> Self {
        Self { skip: seek_past, ..Self::new(source) }
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.left.min(buffer.len() as u64);
        let wanted = usize::try_from(wanted).unwrap_or(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends within an entry",
            ));
        }
        self.left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), TarErrorKind> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TarErrorKind::Format("an entry has two extended headers of one kind")),
    }
}

fn read_past<R: Read>(source: &mut R, count: u64) -> io::Result<()> {
    match io::copy(&mut source.take(count), &mut io::sink())? {
        skipped if skipped == count => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within an entry")),
    }
}

fn seek_past<R: Seek>(source: &mut R, count: u64) -> io::Result<()> {
    source.seek_relative(i64::try_from(count).map_err(io::Error::other)?)
}

/// Room for every attribute that a file can have, and too little to hurt.
const MAX_EXTENSION: u64 = 1 << 20;

#[cfg(test)]
mod tests;
