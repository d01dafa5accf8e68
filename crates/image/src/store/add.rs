//! An image, wherever it comes from, becomes part of the store.

use std::io::Read;

use super::work::Packed;
use super::{Store, Sync, Work};
use crate::config::ConfigFile;
use crate::wire::Platform;
use crate::{Digest, Error, Progress, Reference};

/// What is known of an image before its layers are read.
pub(crate) struct NewImage {
    /// The names that it shall have.
    pub(crate) names: Vec<Reference>,
    /// Its configuration, whose digest was checked.
    pub(crate) config: Vec<u8>,
    /// The digests by which it can be pinned.
    pub(crate) digests: Vec<Digest>,
    /// How many layers its manifest lists.
    pub(crate) layer_count: usize,
}

/// A layer as it travels.
pub(crate) type Content = Packed<Box<dyn Read>>;

impl NewImage {
    /// Reads the configuration and checks that it fits this machine and the manifest. Returns the
    /// diff ids of the layers, bottom to top.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::Platform`].
    pub(crate) fn layers(&self) -> Result<Vec<Digest>, Error> {
        let what = self.label();
        let config: ConfigFile = serde_json::from_slice(&self.config)
            .map_err(Error::malformed(&format!("the configuration of {what}")))?;
        let host = Platform::host();
        // Images that are made by hand may say nothing.
        let is = |found: &str, wanted: &str| found.is_empty() || found == wanted;
        if !is(config.os(), &host.os) || !is(config.architecture(), &host.architecture) {
            let found = Platform {
                architecture: config.architecture().to_owned(),
                os: config.os().to_owned(),
                variant: String::new(),
            };
            let (wanted, found) = (host.to_string(), vec![found.to_string()]);
            return Err(Error::Platform { what, wanted, found });
        }
        let layers = config.rootfs.diff_ids;
        if layers.len() != self.layer_count || layers.len() > MAX_LAYERS {
            let why = format!(
                "its configuration has {} layers and its manifest {} (at most {MAX_LAYERS})",
                layers.len(),
                self.layer_count
            );
            return Err(Error::Malformed { what, why });
        }
        Ok(layers)
    }

    /// Unpacks the layers that are not here yet, each from what `open` returns for its number, and
    /// makes the image part of the store.
    pub(crate) fn add(
        &self,
        store: &Store,
        work: &mut Work<'_>,
        open: &mut dyn FnMut(usize) -> Result<Content, Error>,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        work.reset_limits(store);
        let layers = self.layers()?;
        for (number, diff_id) in layers.iter().enumerate() {
            if work.lacks(diff_id)? {
                let label =
                    format!("unpack {}: layer {}/{}", self.label(), number + 1, layers.len());
                work.unpack(diff_id, open(number)?, &label, progress)?;
            }
        }
        work.commit(&self.names, &self.config, &self.digests, &layers, Sync::Needed)
    }

    fn label(&self) -> String {
        let id = || format!("image {}", &Digest::of(&self.config).hex()[..12]);
        self.names.first().map(Reference::familiar).unwrap_or_else(id)
    }
}

/// What overlayfs can stack with room to spare; Docker allows 127.
const MAX_LAYERS: usize = 128;
