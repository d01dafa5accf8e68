//! What has to be removed when a pod ends, written down before it is made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a pod has outside its directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Made {
    /// Of this format.
    pub(crate) version: u32,
    /// The pod's cgroup, in every hierarchy.
    pub(crate) cgroup: String,
    /// Where its containers' writable layers are.
    pub(crate) scratch: PathBuf,
}

impl Made {
    /// The version that this build writes.
    pub(crate) const VERSION: u32 = 1;
    /// The name of the file.
    pub(crate) const FILE: &'static str = "made.json";
}
