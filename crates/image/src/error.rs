//! Why there is no image.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{Digest, ReferenceError, UnpackError};

/// Why an image could not be found, fetched, read or kept.
///
/// Whatever went wrong, the store is as it was before: an image is either complete or not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The image is not here.
    #[error(
        "the image {reference} is not in the store; bring it there with `stockade image import` or \
         `stockade image pull`"
    )]
    Missing {
        /// The image in its familiar form.
        reference: String,
    },

    /// An image reference was wrong.
    #[error(transparent)]
    Reference(#[from] ReferenceError),

    /// The system refused something that the store needs.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: completes "cannot …".
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The store's index is not what this program writes.
    #[error(
        "{} is not an index of this program ({why}); move it away and bring the images in again",
        path.display()
    )]
    CorruptIndex {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// A part of an image is missing from the store or has been changed there.
    #[error("the stored image {image} is damaged ({why}); remove it and bring it in again")]
    Damaged {
        /// Which image.
        image: String,
        /// What is wrong with it.
        why: String,
    },

    /// A digest stands for other content than was found.
    #[error("{what} has the digest {found}, but {expected} was announced: it is damaged or forged")]
    WrongDigest {
        /// Of what the digest is.
        what: String,
        /// The digest that was announced.
        expected: Digest,
        /// The digest of what was found.
        found: Digest,
    },

    /// A document of an image cannot be understood.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// Which document.
        what: String,
        /// What is wrong with it.
        why: String,
    },

    /// Something is larger than an image may make it.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
    },

    /// A layer cannot be unpacked.
    #[error("layer {layer}: {source}")]
    Unpack {
        /// The layer's diff id, or a name for it.
        layer: String,
        /// What is wrong with it.
        source: UnpackError,
    },

    /// The image is not made for this machine.
    #[error("{what} is not for {wanted}{}", offer(found))]
    Platform {
        /// Which image.
        what: String,
        /// This machine.
        wanted: String,
        /// For what it is made.
        found: Vec<String>,
    },

    /// The file is neither a docker-archive nor an OCI layout.
    #[error(
        "{} is neither a docker-archive (no `manifest.json`) nor an OCI layout (no `index.json`)",
        path.display()
    )]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
    },

    /// The image says no name by which it could be found again.
    #[error("an image in {} has no name: say how to call it", path.display())]
    Unnamed {
        /// The file or directory.
        path: PathBuf,
    },

    /// One name was given for several images.
    #[error("{} holds {count} images, which cannot all be called {name}", path.display())]
    Ambiguous {
        /// The file or directory.
        path: PathBuf,
        /// How many images it holds.
        count: usize,
        /// The name that was given.
        name: String,
    },

    /// The beginning of an id is that of several images.
    #[error("`{id}` is the beginning of the ids of {count} images: write more of it")]
    AmbiguousId {
        /// What was written.
        id: String,
        /// How many images it could be.
        count: usize,
    },

    /// A registry did not give the image.
    #[error("cannot pull {reference}: {why}")]
    Registry {
        /// The image in its familiar form.
        reference: String,
        /// What the registry or the network said.
        why: String,
    },

    /// The credentials for a registry cannot be read.
    #[error("cannot read the credentials for {registry}: {why}")]
    Credentials {
        /// The registry.
        registry: String,
        /// What is wrong with them.
        why: String,
    },

    /// This machine trusts nobody.
    #[error(
        "this machine has no certificate authorities to check a registry with: install \
         `ca-certificates`, or name a file with them in SSL_CERT_FILE"
    )]
    NoAuthorities,
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn errno(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source: source.into() }
    }

    pub(crate) fn malformed(what: &str) -> impl FnOnce(serde_json::Error) -> Self {
        move |why| Self::Malformed { what: what.to_owned(), why: why.to_string() }
    }
}

fn offer(found: &[String]) -> String {
    match found {
        [] => String::new(),
        found => format!(", but for {}", found.join(", ")),
    }
}
