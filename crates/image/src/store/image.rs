//! An image that is here, and the promise that it stays.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::Store;
use super::files::Files;
use super::index::Entry;
use crate::config::ConfigFile;
use crate::unpack::Report;
use crate::{Digest, Error, ImageConfig, Ownership, Reference, Skipped};

/// An image, complete and unpacked.
#[derive(Clone, Debug)]
pub struct Image {
    /// The name under which the store has it.
    pub reference: Reference,
    /// The digest of its configuration: the image's id.
    pub config_digest: Digest,
    /// What it says about its process.
    pub config: ImageConfig,
    /// The directories of its layers, bottom to top; at least one, and none of them twice. They
    /// must not be written to.
    pub layers: Vec<PathBuf>,
    /// Whose the files are, and so how overlayfs must be mounted.
    pub ownership: Ownership,
    /// What of the image was left out when it was unpacked.
    pub skipped: Vec<Skipped>,
}

/// An image in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its name.
    pub reference: Reference,
    /// The digest of its configuration: the image's id.
    pub config_digest: Digest,
    /// The digests of its manifest and of the indexes that led to it, as far as they are known.
    pub digests: Vec<Digest>,
}

/// Keeps the layers of an image in the store for as long as it lives.
///
/// It is made of locked descriptors: the kernel ends it with the last process that has them,
/// however that ends. They are closed on exec.
#[derive(Debug)]
pub struct Lease {
    _directories: Vec<File>,
}

/// What is written beside a layer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayerRecord {
    pub(super) diff_id: Digest,
    pub(super) ownership: Ownership,
    #[serde(flatten)]
    pub(super) report: Report,
}

impl Image {
    /// Promises that the layers stay where they are. A container needs that for as long as it runs.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if somebody has just removed the image.
    pub fn hold(&self) -> Result<Lease, Error> {
        let missing = || Error::Missing { reference: self.reference.familiar() };
        let mut directories = Vec::new();
        for path in &self.layers {
            let directory = match File::open(path) {
                Ok(directory) => directory,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
                Err(error) => return Err(Error::io("open the layer", path)(error)),
            };
            // If this must wait, the collector has it and it is as good as gone.
            rustix::fs::flock(&directory, FlockOperation::NonBlockingLockShared)
                .map_err(|_| missing())?;
            // It may have gone between the two.
            let locked = directory.metadata().map_err(Error::io("look at", path))?;
            let found = fs::metadata(path).map_err(|_| missing())?;
            if (locked.dev(), locked.ino()) != (found.dev(), found.ino()) {
                return Err(missing());
            }
            directories.push(directory);
        }
        Ok(Lease { _directories: directories })
    }
}

/// Reads an image that the index lists.
pub(super) fn load(files: &Files, name: &str, entry: &Entry) -> Result<Image, Error> {
    let damaged = |why: String| Error::Damaged { image: name.to_owned(), why };
    let bytes = fs::read(files.path(&["blobs", "sha256", &entry.config.hex()]))
        .map_err(|error| damaged(format!("its configuration: {error}")))?;
    if Digest::of(&bytes) != entry.config {
        return Err(damaged("its configuration was changed".to_owned()));
    }
    let config: ConfigFile = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(format!("its configuration: {error}")))?;

    // All layers in one form: overlayfs is mounted either for one or for the other.
    let kept = layers(files, &entry.layers, Ownership::Kept);
    let found = kept.or_else(|_| layers(files, &entry.layers, Ownership::Own));
    let (ownership, records) = found.map_err(damaged)?;

    let mut paths: Vec<PathBuf> = Vec::new();
    let mut seen = HashSet::new();
    for record in records.iter().rev() {
        // Overlayfs takes no directory twice, and the upper one hides all of the lower.
        if seen.insert(record.diff_id) {
            paths.push(Store::layer(files, &layer_name(&record.diff_id, ownership)));
        }
        if record.report.hides_all_below {
            break;
        }
    }
    if paths.is_empty() {
        paths.push(Store::layer(files, "none"));
    }
    paths.reverse();

    Ok(Image {
        reference: name.parse()?,
        config_digest: entry.config,
        config: config.into(),
        layers: paths,
        ownership,
        skipped: records.into_iter().flat_map(|record| record.report.skipped).collect(),
    })
}

/// Reads the records of layers, all of which have to be there.
fn layers(
    files: &Files,
    wanted: &[Digest],
    ownership: Ownership,
) -> Result<(Ownership, Vec<LayerRecord>), String> {
    let records = wanted.iter().map(|diff_id| {
        record(files, diff_id, ownership)?.ok_or_else(|| format!("the layer {diff_id} is missing"))
    });
    Ok((ownership, records.collect::<Result<_, _>>()?))
}

/// Reads the record of a layer, if the layer is there.
pub(super) fn record(
    files: &Files,
    diff_id: &Digest,
    ownership: Ownership,
) -> Result<Option<LayerRecord>, String> {
    let name = layer_name(diff_id, ownership);
    if !Store::layer(files, &name).is_dir() {
        return Ok(None);
    }
    let bytes = fs::read(files.path(&["layers", &format!("{name}.json")]))
        .map_err(|error| format!("the record of the layer {diff_id}: {error}"))?;
    let record: LayerRecord = serde_json::from_slice(&bytes)
        .map_err(|error| format!("the record of the layer {diff_id}: {error}"))?;
    // The name has only half of the digest.
    if record.diff_id != *diff_id || record.ownership != ownership {
        return Err(format!("the layer {diff_id} is another one"));
    }
    Ok(Some(record))
}

pub(super) fn layer_name(diff_id: &Digest, ownership: Ownership) -> String {
    match ownership {
        Ownership::Kept => diff_id.short(),
        Ownership::Own => format!("{}u", diff_id.short()),
    }
}
