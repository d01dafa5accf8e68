//! Removal of what no image needs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::files::Files;
use super::image::layer_name;
use crate::remove::remove_at;
use crate::{Error, Ownership};

/// Removes leftovers, and the layers and configurations of no image, unless somebody is at work:
/// then the next one does it.
pub(super) fn collect(files: &Files) -> Result<(), Error> {
    let Some(_alone) = files.try_lock("work.lock")? else { return Ok(()) };
    // An index that cannot be read must not look like one without images.
    let index = files.read_index()?;

    let mut needed: HashSet<OsString> = ["none".into()].into();
    let mut configs: HashSet<OsString> = HashSet::new();
    for entry in index.entries() {
        configs.insert(entry.config.hex().into());
        for diff_id in &entry.layers {
            for ownership in [Ownership::Kept, Ownership::Own] {
                needed.insert(layer_name(diff_id, ownership).into());
            }
        }
    }

    let tmp = files.path(&["tmp"]);
    let layers = files.path(&["layers"]);
    let (records, directories): (Vec<_>, Vec<_>) =
        names(&layers)?.into_iter().partition(|name| name.as_bytes().ends_with(b".json"));
    for name in directories.into_iter().filter(|name| !needed.contains(name)) {
        let path = layers.join(&name);
        let Some(_free) = free(&path)? else { continue };
        // Out of sight first: half a layer must not be found.
        fs::rename(&path, tmp.join(&name)).map_err(Error::io("remove", &path))?;
    }
    // A layer that a lease keeps also keeps its record, for it may be needed again.
    for name in records {
        if !layers.join(&name).with_extension("").exists() {
            remove(&layers, &name)?;
        }
    }
    let blobs = files.path(&["blobs", "sha256"]);
    for name in names(&blobs)?.into_iter().filter(|name| !configs.contains(name)) {
        remove(&blobs, &name)?;
    }
    names(&tmp)?.iter().try_for_each(|name| remove(&tmp, name))
}

/// Removes a file or a tree of the store.
pub(super) fn remove(directory: &Path, name: &OsString) -> Result<(), Error> {
    let opened = File::open(directory).map_err(Error::io("open", directory))?;
    remove_at(&opened, name.as_bytes()).map_err(Error::io("remove", &directory.join(name)))
}

/// Locks a layer that no lease holds.
fn free(path: &Path) -> Result<Option<File>, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    Ok(locked.is_ok().then_some(file))
}

fn names(directory: &Path) -> Result<Vec<OsString>, Error> {
    let read =
        || fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>();
    read().map_err(Error::io("list", directory))
}
