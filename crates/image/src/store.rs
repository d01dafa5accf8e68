//! The images that are here.
//!
//! ```text
//! <root>/images/                 0700: nobody else reaches the set-user-id programs of an image
//!   index.json                   image name → configuration, and what else finds it
//!   blobs/sha256/<hex>           configurations
//!   layers/<32 hex>              unpacked layers, by diff id; with a `u` behind, if unprivileged
//!   layers/<…>.json              what came of unpacking: the whole diff id, what was left out
//!   layers/none                  the layer of images without layers
//!   builtin/<32 hex>.json        from what a built-in image was made
//!   tmp/<…>                      work that is not finished
//!   index.lock, work.lock
//! ```
//!
//! - Compressed layers are not kept: an unpacked layer is what runs, and what it was made from can
//!   be had again. So the store cannot push or export an image.
//! - Everything is made in `tmp` and renamed when it is complete and on disk; the index comes last.
//!   Whenever the process or the machine stops, an image is either whole or not there.
//! - Whoever brings in an image holds `work.lock` shared. The collector holds it alone: then nobody
//!   works, what is in `tmp` is a leftover, and what no image needs is in nobody's way. It takes no
//!   layer that a [`Lease`] holds.
//! - `index.lock` is held for each change of the index. Reading needs no lock.

mod add;
mod collect;
mod files;
mod image;
mod index;
mod work;

use std::path::{Path, PathBuf};

pub(crate) use add::{Content, NewImage};
use files::Files;
pub(crate) use files::write_durably;
pub use image::{Image, Lease, Listed};
pub(crate) use work::{Sync, Work, check_digest, open_sized};

use rustix::fs::FlockOperation;

use crate::{Error, Limits, Reference};

/// The images below one directory.
#[derive(Debug)]
pub struct Store {
    files: Files,
    limits: Limits,
}

impl Store {
    /// Opens the store of `root`, which is `<root>/images`, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be made or belongs to somebody else.
    pub fn open(root: &Path) -> Result<Self, Error> {
        Ok(Self { files: Files::open(root)?, limits: Limits::default() })
    }

    /// The same store with other limits for the images that it takes.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The directory of the store.
    pub fn directory(&self) -> &Path {
        self.files.root()
    }

    /// Finds an image by its name; by the digest of its manifest, if the reference has one; or by
    /// the beginning of its id (12 digits at least), if no image has it as its name.
    ///
    /// # Errors
    ///
    /// [`Error::CorruptIndex`]; [`Error::Damaged`] if the image is listed, but not complete.
    pub fn find(&self, reference: &Reference) -> Result<Option<Image>, Error> {
        self.settled(|| {
            let index = self.files.read_index()?;
            match index.find(reference)? {
                Some((name, entry)) => image::load(&self.files, name, entry).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Finds an image as [`Self::find`] does, and it has to be there.
    ///
    /// # Errors
    ///
    /// Those of `find`, and [`Error::Missing`].
    pub fn get(&self, reference: &Reference) -> Result<Image, Error> {
        let missing = || Error::Missing { reference: reference.familiar() };
        self.find(reference)?.ok_or_else(missing)
    }

    /// Finds an image by its id: `sha256:` and the digest of its configuration, or the beginning of
    /// that digest.
    ///
    /// # Errors
    ///
    /// Those of [`Self::find`], and [`Error::AmbiguousId`].
    pub fn find_id(&self, id: &str) -> Result<Option<Image>, Error> {
        self.settled(|| {
            let index = self.files.read_index()?;
            match index.find_id(id)? {
                Some((name, entry)) => image::load(&self.files, name, entry).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Lists all images by name. Damaged ones are listed too.
    ///
    /// # Errors
    ///
    /// [`Error::CorruptIndex`].
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        Ok(self.files.read_index()?.list())
    }

    /// Removes an image, and its layers if no other image needs them. Layers that a container still
    /// uses go with a later removal.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no such image.
    pub fn remove(&self, reference: &Reference) -> Result<(), Error> {
        self.files.change_index(|index| {
            let name = index.find(reference)?.map(|(name, _)| name.to_owned());
            let name = name.ok_or_else(|| Error::Missing { reference: reference.familiar() })?;
            index.remove(&name);
            Ok(())
        })?;
        collect::collect(&self.files)
    }

    /// An image that seems damaged may have been removed between the look at the index and the look
    /// at its layers. While somebody works in the store nothing is collected: what is found then is
    /// so.
    fn settled<T>(&self, look: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        match look() {
            Err(Error::Damaged { .. }) => {
                let _lock = self.files.lock("work.lock", FlockOperation::LockShared)?;
                look()
            }
            answer => answer,
        }
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The directory of a layer, by what it is called in the store.
    fn layer(files: &Files, name: &str) -> PathBuf {
        files.root().join("layers").join(name)
    }
}
