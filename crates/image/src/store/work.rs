//! Bringing in images: everything is made aside and appears at once.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{BufReader, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, RenameFlags};
use rustix::io::Errno;

use super::files::{Files, sync_directory, write_durably};
use super::image::{LayerRecord, layer_name, record};
use super::index::Entry;
use super::{Store, collect};
use crate::decompress::decompress;
use crate::digest::Digesting;
use crate::progress::Watched;
use crate::unpack::{Report, unpack};
use crate::{Digest, Error, Limits, Ownership, Progress, Reference};

/// The making of images. While it lives, nothing is collected; when it is dropped, what did not
/// become part of an image is gone.
pub(crate) struct Work<'s> {
    files: &'s Files,
    ownership: Ownership,
    /// What the image may still hold.
    left: Limits,
    name: OsString,
    directory: PathBuf,
    staged: Vec<Digest>,
    _lock: OwnedFd,
}

/// How new layers get onto the disk before they count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sync {
    /// They may be anything: the whole file system is written.
    Needed,
    /// They were written when they were made.
    Done,
}

/// A layer, as it travels.
pub(crate) struct Packed<R> {
    pub(crate) reader: R,
    pub(crate) size: u64,
    /// The digest of these bytes, if it was announced.
    pub(crate) digest: Option<Digest>,
}

impl<'s> Work<'s> {
    /// Begins, and cleans up after others on the way.
    pub(crate) fn begin(store: &'s Store) -> Result<Self, Error> {
        let files = store.files();
        collect::collect(files)?;
        let lock = files.lock("work.lock", FlockOperation::LockShared)?;

        // Process ids are not used twice at one time, but processes of several PID namespaces may
        // share a store.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (directory, name) = loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = OsString::from(format!("{}-{count}", std::process::id()));
            let directory = files.path(&["tmp"]).join(&name);
            match DirBuilder::new().mode(0o700).create(&directory) {
                Ok(()) => break (directory, name),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("make the directory", &directory)(error)),
            }
        };
        let opened = File::open(&directory).map_err(Error::io("open", &directory))?;
        let ownership = Ownership::possible(opened.as_fd());
        let left = store.limits();
        Ok(Self { files, ownership, left, name, directory, staged: Vec::new(), _lock: lock })
    }

    /// Is this layer still to be brought in?
    pub(crate) fn lacks(&self, diff_id: &Digest) -> Result<bool, Error> {
        if self.staged.contains(diff_id) {
            return Ok(false);
        }
        let found = record(self.files, diff_id, self.ownership);
        let damaged = |why| Error::Damaged { image: format!("with the layer {diff_id}"), why };
        Ok(found.map_err(damaged)?.is_none())
    }

    /// A path for a file that lives no longer than the work.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Bytes that the image may still hold.
    pub(crate) fn bytes_left(&self) -> u64 {
        self.left.bytes
    }

    /// Begins to count for another image.
    pub(crate) fn reset_limits(&mut self, store: &Store) {
        self.left = store.limits();
    }

    /// Unpacks a layer, and checks that it is the one that was announced.
    ///
    /// # Errors
    ///
    /// [`Error::Unpack`], [`Error::WrongDigest`].
    pub(crate) fn unpack(
        &mut self,
        diff_id: &Digest,
        packed: Packed<impl Read>,
        label: &str,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        let reading = |source| Error::Io { doing: "read", path: label.into(), source };
        let watched = Watched::new(packed.reader, progress, label, Some(packed.size));
        let compressed = Digesting::new(watched, packed.size);
        let plain = decompress(BufReader::with_capacity(1 << 16, compressed)).map_err(reading)?;
        let mut plain = Digesting::new(plain, self.left.bytes);

        let into = self.layer_directory(diff_id)?;
        let report = unpack(&mut plain, into, self.ownership, self.left)
            .map_err(|source| Error::Unpack { layer: diff_id.to_string(), source })?;
        self.left.entries -= report.entries;
        self.left.bytes -= plain.passed();
        let (found, rest) = plain.finish().map_err(reading)?;
        check_digest(label, diff_id, found)?;
        let (found, _) = rest.into_source().into_inner().finish().map_err(reading)?;
        if let Some(expected) = packed.digest {
            check_digest(label, &expected, found)?;
        }
        self.stage(diff_id, report)
    }

    /// Makes the directory of a layer that is to be staged.
    pub(crate) fn layer_directory(&self, diff_id: &Digest) -> Result<OwnedFd, Error> {
        let path = self.scratch(&layer_name(diff_id, self.ownership));
        fs::create_dir(&path).map_err(Error::io("make the directory", &path))?;
        Ok(File::open(&path).map_err(Error::io("open", &path))?.into())
    }

    pub(crate) fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// Declares the directory of a layer complete.
    pub(crate) fn stage(&mut self, diff_id: &Digest, report: Report) -> Result<(), Error> {
        let record = LayerRecord { diff_id: *diff_id, ownership: self.ownership, report };
        let bytes = serde_json::to_vec(&record).map_err(Error::malformed("a layer's record"))?;
        let name = layer_name(diff_id, self.ownership);
        write_durably(&self.scratch(&format!("{name}.json")), &bytes)?;
        self.staged.push(*diff_id);
        Ok(())
    }

    /// Makes what was staged part of the store, and an image of it under all of `names`.
    pub(crate) fn commit(
        &mut self,
        names: &[Reference],
        config: &[u8],
        digests: &[Digest],
        layers: &[Digest],
        sync: Sync,
    ) -> Result<(), Error> {
        let config_digest = Digest::of(config);
        let config_file = self.scratch("config");
        write_durably(&config_file, config)?;
        if sync == Sync::Needed && !self.staged.is_empty() {
            let opened = File::open(&self.directory).map_err(Error::io("open", &self.directory))?;
            rustix::fs::syncfs(&opened).map_err(Error::errno("write to disk", &self.directory))?;
        }

        let entry =
            Entry { config: config_digest, digests: digests.to_vec(), layers: layers.to_vec() };
        let staged = std::mem::take(&mut self.staged);
        self.files.change_index(|index| {
            for diff_id in &staged {
                self.publish(diff_id)?;
            }
            sync_directory(&self.files.path(&["layers"]))?;
            let blob = self.files.path(&["blobs", "sha256", &config_digest.hex()]);
            self.files.rename(&config_file, &blob)?;
            for name in names {
                index.insert(name, entry.clone());
            }
            Ok(())
        })
    }

    /// Moves a layer from the work to the store.
    fn publish(&self, diff_id: &Digest) -> Result<(), Error> {
        let name = layer_name(diff_id, self.ownership);
        let layers = self.files.path(&["layers"]);
        // The record comes first: a layer that is there has one.
        let record = format!("{name}.json");
        fs::rename(self.scratch(&record), layers.join(&record))
            .map_err(Error::io("rename", &self.scratch(&record)))?;
        let from = self.scratch(&name);
        let cwd = rustix::fs::CWD;
        match rustix::fs::renameat_with(cwd, &from, cwd, layers.join(&name), RenameFlags::NOREPLACE)
        {
            // Somebody else brought in the same layer in the meantime.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Error::errno("rename", &from)(errno)),
        }
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover for the next one.
        collect::remove(&self.files.path(&["tmp"]), &self.name).ok();
    }
}

pub(crate) fn check_digest(what: &str, expected: &Digest, found: Digest) -> Result<(), Error> {
    if *expected == found {
        return Ok(());
    }
    Err(Error::WrongDigest { what: what.to_owned(), expected: *expected, found })
}

/// Opens a file for reading, with its size.
pub(crate) fn open_sized(path: &Path) -> Result<(File, u64), Error> {
    let open = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    open().map_err(Error::io("open", path))
}
