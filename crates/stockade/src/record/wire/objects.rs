//! ConfigMaps and Secrets as they are written. Only what the pod names is here; the file is its
//! user's alone to read.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use stockade_spec::Content;

/// What a ConfigMap or Secret holds.
pub(super) type Entries = BTreeMap<String, Entry>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "is")]
pub(super) enum Entry {
    Text { text: String },
    Bytes { bytes: Vec<u8> },
}

/// It may be a secret.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}

type Contents = BTreeMap<String, BTreeMap<String, Content>>;

pub(super) fn written(objects: &Contents) -> BTreeMap<String, Entries> {
    let entry = |content: &Content| match content.clone() {
        Content::Text(text) => Entry::Text { text },
        Content::Bytes(bytes) => Entry::Bytes { bytes },
    };
    let entries = |all: &BTreeMap<String, Content>| {
        all.iter().map(|(key, content)| (key.clone(), entry(content))).collect()
    };
    objects.iter().map(|(name, all)| (name.clone(), entries(all))).collect()
}

pub(super) fn read_back(objects: BTreeMap<String, Entries>) -> Contents {
    let content = |entry| match entry {
        Entry::Text { text } => Content::Text(text),
        Entry::Bytes { bytes } => Content::Bytes(bytes),
    };
    let contents = |all: Entries| all.into_iter().map(|(key, it)| (key, content(it))).collect();
    objects.into_iter().map(|(name, all)| (name, contents(all))).collect()
}
