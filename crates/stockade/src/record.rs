//! What is kept of a pod on disk: enough to judge it again, by this version or a newer one.
//!
//! Said and seen are kept, meant is not: it is computed again. The types here are a promise and
//! therefore not those of the program: [`Record`] is converted by hand to and from what is written.

mod wire;

use stockade_confine::{RestartDefault, World};

use crate::settings::Demands;

/// Where a pod is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Document {
    /// The file, as its author named it.
    pub(crate) file: String,
    /// All of its text, so that places in it stay true.
    pub(crate) text: String,
    /// Which of the text's pods, from zero.
    pub(crate) index: usize,
    /// The namespace that was asked for beside it.
    pub(crate) namespace: Option<String>,
}

/// What has to be known to judge a pod again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    /// Where the pod is written.
    pub(crate) document: Document,
    /// What an unset `restartPolicy` means.
    pub(crate) restart: RestartDefault,
    /// What is demanded of the report.
    pub(crate) demands: Demands,
    /// What lay outside of the manifest.
    pub(crate) world: World,
}

impl Record {
    /// The text to keep.
    ///
    /// # Errors
    ///
    /// None that a record can bring about: all of it can be written as JSON.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&wire::Record::from(self)).map_err(|error| error.to_string())
    }

    /// Reads what was kept.
    ///
    /// # Errors
    ///
    /// If it is not what this program, in a version that this one knows, writes.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, String> {
        wire::read(bytes)
    }
}
