//! The store's own directories, locks, and files that change as a whole.
//!
//! Nothing here is named by an image: the names are ours or hexadecimal.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::{Errno, retry_on_intr};

use super::index::Index;
use crate::Error;

/// The directories of a store, which exist and are ours alone.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let images = root.join("images");
        private_directory(&images)?;
        let files = Self { root: images };
        for name in ["blobs/sha256", "layers/none", "builtin", "tmp"] {
            let path = files.root.join(name);
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&path)
                .map_err(Error::io("make the directory", &path))?;
        }
        Ok(files)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, parts: &[&str]) -> PathBuf {
        parts.iter().fold(self.root.clone(), |path, part| path.join(part))
    }

    /// Reads the index. There being none is the same as there being no images.
    pub(super) fn read_index(&self) -> Result<Index, Error> {
        let path = self.path(&["index.json"]);
        match fs::read(&path) {
            Ok(bytes) => Index::parse(&bytes).map_err(|why| Error::CorruptIndex { path, why }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Changes the index while nobody else does.
    pub(super) fn change_index<T>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lock = self.lock("index.lock", FlockOperation::LockExclusive)?;
        let mut index = self.read_index()?;
        let result = change(&mut index)?;
        let bytes = serde_json::to_vec_pretty(&index).map_err(Error::malformed("the index"))?;
        // The lock makes the name ours alone; a leftover of it is overwritten.
        let new = self.path(&["index.json.new"]);
        write_durably(&new, &bytes)?;
        self.rename(&new, &self.path(&["index.json"]))?;
        Ok(result)
    }

    /// Renames a file and makes that last.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(Error::io("rename", from))?;
        match to.parent() {
            Some(parent) => sync_directory(parent),
            None => Ok(()),
        }
    }

    /// Takes a lock, and waits for it if need be. It is held until the descriptor is closed, and
    /// the kernel closes it when the process ends in whatever way.
    pub(super) fn lock(&self, name: &str, how: FlockOperation) -> Result<OwnedFd, Error> {
        let path = self.path(&[name]);
        let file = lock_file(&path)?;
        retry_on_intr(|| rustix::fs::flock(&file, how)).map_err(Error::errno("lock", &path))?;
        Ok(file.into())
    }

    /// Takes a lock if nobody has it.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<OwnedFd>, Error> {
        let path = self.path(&[name]);
        let file = lock_file(&path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file.into())),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(Error::errno("lock", &path)(errno)),
        }
    }
}

/// Writes a file that is on disk when this returns, and whole if the next thing is its rename.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("make", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|it| it.sync_all()).map_err(Error::io("write to disk", path))
}

fn lock_file(path: &Path) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("open", path))
}

/// Makes a directory that nobody else may enter, or checks that it is one.
fn private_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io("make the directory", path))?;
    let found = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    // In a directory of somebody else every name could become another file at any time.
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        let why = "it is not a directory of this user; give another root directory";
        return Err(Error::io("use", path)(io::Error::other(why)));
    }
    if found.mode() & 0o7777 != 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(Error::io("close to others", path))?;
    }
    Ok(())
}
