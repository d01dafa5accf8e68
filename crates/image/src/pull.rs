//! Images from a registry.
//!
//! The protocol is `oci-client`'s. What this module adds is that it trusts nothing of it: manifests
//! and configurations are checked against their digests, layers are streamed to disk and no further
//! than the size that the manifest announces, and foreign addresses in a manifest are not followed.
//!
//! The caller forks later, so the asynchronous runtime lives inside of the call, on the caller's
//! thread, and the call returns only when the threads are gone that resolved names for it.
//!
//! Plain HTTP is for loopback and for registries that the user names; everything else is HTTPS with
//! the machine's certificate authorities.
//!
//! Source: the OCI distribution specification, version 1.1.

mod auth;
mod registry;
mod threads;

use std::io::BufReader;

use crate::store::{Content, NewImage, Work, open_sized};
use crate::wire::{self, Descriptor, Manifest, Platform};
use crate::{Digest, Error, Image, Progress, Reference, Store};
use registry::Registry;

/// How to talk to registries.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// Who we are.
    pub auth: Auth,
    /// Registries, as references name them, that are spoken to in plain HTTP. Loopback ones always
    /// are.
    pub insecure_registries: Vec<String>,
}

/// Who we are to a registry.
#[derive(Clone, Default)]
pub enum Auth {
    /// What Docker's configuration says about the registry, or nobody.
    #[default]
    DockerConfig,
    /// Nobody.
    Anonymous,
    /// This user.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

/// Without the password.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DockerConfig => f.write_str("DockerConfig"),
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { user, password: _ } => write!(f, "Basic({user:?})"),
        }
    }
}

impl Store {
    /// Fetches an image from its registry. Layers that are here already are not fetched again.
    ///
    /// No thread that this starts outlives it.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`] if the registry does not give the image; [`Error::Credentials`];
    /// [`Error::NoAuthorities`]; [`Error::WrongDigest`], [`Error::Malformed`], [`Error::Unpack`],
    /// [`Error::Platform`] if the image is unusable.
    pub fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &mut dyn Progress,
    ) -> Result<Image, Error> {
        let mut work = Work::begin(self)?;
        let fetched = threads::none_left(|| fetch(reference, options, &work, progress))?;

        let mut open = |number: usize| {
            let path = work_path(number);
            let (file, size) = open_sized(&fetched.directory.join(&path))?;
            // The name can go now: unpacked and packed at once would need the space of both.
            std::fs::remove_file(fetched.directory.join(&path))
                .map_err(Error::io("remove", path.as_ref()))?;
            let digest = Some(fetched.layers[number].digest);
            Ok(Content { reader: Box::new(BufReader::new(file)), size, digest })
        };
        fetched.image.add(self, &mut work, &mut open, progress)?;
        self.get(reference)
    }
}

/// An image whose missing layers are in files.
struct Fetched {
    image: NewImage,
    layers: Vec<Descriptor>,
    directory: std::path::PathBuf,
}

fn fetch(
    reference: &Reference,
    options: &PullOptions,
    work: &Work<'_>,
    progress: &mut dyn Progress,
) -> Result<Fetched, Error> {
    let registry = Registry::connect(reference, options)?;
    progress.step(&format!("look up {}", reference.familiar()), 0, None);

    let mut digests = Vec::new();
    let mut at = reference.clone();
    let (config, layers) = loop {
        let label = format!("the manifest of {}", at.familiar());
        let bytes = registry.manifest(&at)?;
        let digest = Digest::of(&bytes);
        if let Some(expected) = at.digest() {
            crate::store::check_digest(&label, &expected, digest)?;
        }
        digests.push(digest);
        match wire::manifest(&label, &bytes)? {
            Manifest::Image { config, layers } => break (config, layers),
            Manifest::Index(_) if digests.len() == MAX_NESTING => {
                let why = format!("its indexes are nested more than {MAX_NESTING} deep");
                return Err(Error::Malformed { what: label, why });
            }
            Manifest::Index(entries) => {
                let chosen = wire::choose(&reference.familiar(), &entries, &Platform::host())?;
                at = reference.pinned(chosen.digest);
            }
        }
    };

    if config.size > MAX_CONFIG {
        let what = format!("the configuration of {}", reference.familiar());
        return Err(Error::TooLarge { what, limit: MAX_CONFIG });
    }
    let path = work.scratch("fetched-config");
    registry.blob(&config, &path, &mut crate::Silent, "")?;
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    crate::store::check_digest("the configuration", &config.digest, Digest::of(&bytes))?;

    let image = NewImage {
        names: vec![reference.clone()],
        config: bytes,
        digests,
        layer_count: layers.len(),
    };
    let diff_ids = image.layers()?;
    let mut fetched = Vec::new();
    for (number, (layer, diff_id)) in layers.iter().zip(&diff_ids).enumerate() {
        // A layer that is there twice is fetched once: only the first of them is unpacked.
        if !work.lacks(diff_id)? || fetched.contains(diff_id) {
            continue;
        }
        if layer.size > work.bytes_left() {
            let what = format!("layer {} of {}", number + 1, reference.familiar());
            return Err(Error::TooLarge { what, limit: work.bytes_left() });
        }
        let label = format!("pull {}: layer {}/{}", reference.familiar(), number + 1, layers.len());
        registry.blob(layer, &work.scratch(&work_path(number)), progress, &label)?;
        fetched.push(*diff_id);
    }
    Ok(Fetched { image, layers, directory: work.scratch("") })
}

fn work_path(number: usize) -> String {
    format!("fetched-{number}")
}

const MAX_NESTING: usize = 4;
const MAX_CONFIG: u64 = 8 << 20;
