//! What is said: pods, OCI bundles and profiles as objects, parsed strictly,
//! each field with its place in the file.
//!
//! ```text
//! bytes ── parse ──▶ Manifest::Pod ─┬─ validate ──▶ mistakes
//!      │                            └─ sync ──▶ the pod as a server stores it
//!      ├── bundle::parse ──▶ Bundle
//!      └── read_profile_object ──▶ ProfileObject
//! ```
//!
//! Everything here is a pure function of a text. Mistakes are values
//! ([`ManifestError`]) with a path, a place in the file and often a hint; they
//! are collected, so that an author sees all of them at once. A field that is
//! about security and that we do not know is never skipped.
//!
//! What this crate does *not* know: what a field amounts to when it is not set
//! (`stockade-confine`), whether a policy allows it (`stockade-admit`), and how
//! a mistake is drawn on a terminal (`stockade`).

pub mod bundle;
mod decode;
pub mod legacy_sysctls;
mod manifest;
mod manifest_error;
pub mod patch;
mod place;
mod profile_object;
mod source;
mod sync;
mod tree;
mod validate;

pub use k8s_openapi;

pub use manifest::{
    Container, ContainerList, Content, DataKind, DataObject, Manifest, Other, Parsed, Pod, parse,
};
pub use manifest_error::{ManifestError, ManifestErrorKind, Meant, Severity};
pub use place::{FieldPath, Place, Position, Span};
pub use profile_object::{ProfileObject, read_profile_object};
pub use sync::{DeprecatedAnnotation, Synced, sync};
pub use validate::{ApiVersion, LegacyAnnotations, PrivilegedContainers, Rules, validate};
