//! Image references, registries, layouts and layers; unpacking that cannot leave its directory.
//!
//! Where an image comes from does not matter once it is here: a registry ([`Store::pull`]), an
//! archive or a layout ([`Store::import`]) and the program itself ([`Store::ensure_builtin`]) all
//! end as entries of one [`Store`], and everybody else asks for an [`Image`]: its configuration and
//! the directories of its layers.
//!
//! This crate knows nothing of pods, of confinement or of mounts. It never executes and never
//! mounts anything of an image, and nothing that an image says reaches a path outside the store:
//! see [`Limits`] and the module `unpack` for what a layer may contain.
//!
//! Invariants, by absence: no thread outlives a call (the caller forks later), no symbolic link of
//! an image is ever followed, no device node of an image is ever made.

#[cfg(test)]
#[path = "../tests/common/archive.rs"]
mod archive;
mod artifact;
mod builtin;
mod config;
mod decompress;
mod digest;
mod error;
mod import;
mod progress;
mod pull;
mod reference;
mod remove;
mod store;
mod tar;
mod unpack;
mod wire;

pub use artifact::{read_profile_artifact, write_profile_artifact};
pub use builtin::{BuiltinFile, BuiltinKind};
pub use config::ImageConfig;
pub use digest::{Digest, NotADigest};
pub use error::Error;
pub use progress::{Progress, Silent};
pub use pull::{Auth, PullOptions};
pub use reference::{Reference, ReferenceError};
pub use store::{Image, Lease, Listed, Store};
pub use tar::TarError;
pub use unpack::{EntryError, Limits, Ownership, Skipped, UnpackError};
