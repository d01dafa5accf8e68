//! What of a layer is not in its directory, though it unpacked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of a layer that was left out, for a person to know.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "what")]
pub enum Skipped {
    /// A device node: containers get their own `/dev`.
    Device {
        /// The entry.
        path: String,
    },
    /// An extended attribute that a layer may not set, or that this user or file system may not.
    Attribute {
        /// The entry.
        path: String,
        /// The attribute.
        name: String,
    },
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { path } => write!(f, "the device node `{}`", path.escape_debug()),
            Self::Attribute { path, name } => {
                write!(f, "the attribute `{}` of `{}`", name.escape_debug(), path.escape_debug())
            }
        }
    }
}

/// What came of unpacking a layer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// How many entries the archive had.
    pub(crate) entries: u64,
    /// The first of what was left out.
    pub(crate) skipped: Vec<Skipped>,
    /// How much was left out.
    pub(crate) skipped_count: u64,
    /// The layer's root is opaque. Overlayfs does not look for that on roots, so the layers below
    /// have to be left out of the mount.
    pub(crate) hides_all_below: bool,
}

impl Report {
    pub(super) fn skip(&mut self, what: Skipped) {
        self.skipped_count += 1;
        if self.skipped.len() < MAX_SKIPPED {
            self.skipped.push(what);
        }
    }
}

/// More than a person reads.
const MAX_SKIPPED: usize = 100;
