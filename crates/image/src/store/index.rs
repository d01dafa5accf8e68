//! The index: which images there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Listed;
use crate::digest::from_hex;
use crate::{Digest, Error, Reference};

/// The content of `index.json`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) version: u32,
    images: BTreeMap<String, Entry>,
}

/// One image.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The digest of the configuration, which is the image's id.
    pub(super) config: Digest,
    /// The digests of its manifest and of the indexes that led to it.
    pub(super) digests: Vec<Digest>,
    /// The diff ids of its layers, bottom to top.
    pub(super) layers: Vec<Digest>,
}

impl Index {
    pub(super) const VERSION: u32 = 1;

    pub(super) fn find(&self, wanted: &Reference) -> Result<Option<(&str, &Entry)>, Error> {
        if let Some((name, entry)) = self.images.get_key_value(&wanted.to_string()) {
            return Ok(Some((name, entry)));
        }
        if let Some(digest) = wanted.digest() {
            let is_wanted = |name: &str, entry: &Entry| {
                let name = name.parse::<Reference>();
                let is_same = name.is_ok_and(|name| {
                    name.registry() == wanted.registry() && name.repository() == wanted.repository()
                });
                is_same && entry.digests.contains(&digest)
            };
            let mut entries = self.images.iter();
            let found = entries.find(|(name, entry)| is_wanted(name, entry));
            return Ok(found.map(|(name, entry)| (name.as_str(), entry)));
        }
        // What a person copies from a list of images may be read as a name.
        match wanted.familiar().strip_suffix(":latest") {
            Some(id) => self.find_id(id),
            None => Ok(None),
        }
    }

    pub(super) fn find_id(&self, id: &str) -> Result<Option<(&str, &Entry)>, Error> {
        let hex = id.strip_prefix("sha256:").unwrap_or(id);
        let is_hex = hex.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
        if !is_hex || !(MIN_ID..=64).contains(&hex.len()) {
            return Ok(None);
        }
        let matching: BTreeMap<Digest, (&str, &Entry)> = self
            .images
            .iter()
            .filter(|(_, entry)| match from_hex(hex) {
                Some(digest) => entry.config == digest,
                None => entry.config.hex().starts_with(hex),
            })
            .map(|(name, entry)| (entry.config, (name.as_str(), entry)))
            .collect();
        match matching.len() {
            0 | 1 => Ok(matching.into_values().next()),
            count => Err(Error::AmbiguousId { id: id.to_owned(), count }),
        }
    }

    pub(super) fn insert(&mut self, name: &Reference, entry: Entry) {
        self.images.insert(name.to_string(), entry);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.images.remove(name);
    }

    pub(super) fn list(self) -> Vec<Listed> {
        let listed = |(name, entry): (String, Entry)| {
            Some(Listed {
                reference: name.parse().ok()?,
                config_digest: entry.config,
                digests: entry.digests,
            })
        };
        self.images.into_iter().filter_map(listed).collect()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.images.values()
    }

    /// Reads an index, and says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(|it| it.to_string())?;
        if version != Self::VERSION {
            return Err(format!("its version is {version}, this program knows {}", Self::VERSION));
        }
        let index: Self = serde_json::from_slice(bytes).map_err(|it| it.to_string())?;
        match index.images.keys().find(|name| !is_canonical(name)) {
            Some(name) => Err(format!("`{}` is no image name", name.escape_debug())),
            None => Ok(index),
        }
    }
}

impl Default for Index {
    fn default() -> Self {
        Self { version: Self::VERSION, images: BTreeMap::new() }
    }
}

fn is_canonical(name: &str) -> bool {
    name.parse::<Reference>().is_ok_and(|it| it.to_string() == name)
}

/// The shortest beginning of an id that counts as one: what lists of images show.
const MIN_ID: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_by_name_digest_and_id() {
        let one =
            Entry { config: Digest::of(b"1"), digests: vec![Digest::of(b"m")], layers: vec![] };
        let two = Entry { config: Digest::of(b"2"), digests: vec![], layers: vec![] };
        let mut index = Index::default();
        index.insert(&"busybox".parse().unwrap(), one.clone());
        index.insert(&"busybox:alias".parse().unwrap(), one.clone());
        index.insert(&"q.io/two:1".parse().unwrap(), two.clone());

        let hex = one.config.hex();
        for (wanted, expected) in [
            ("busybox".to_owned(), Some(one.config)),
            ("docker.io/library/busybox:latest".to_owned(), Some(one.config)),
            ("busybox:2".to_owned(), None),
            ("q.io/two:1".to_owned(), Some(two.config)),
            ("q.io/two".to_owned(), None),
            (format!("busybox@{}", Digest::of(b"m")), Some(one.config)),
            (format!("busybox:whatever@{}", Digest::of(b"m")), Some(one.config)),
            (format!("q.io/two@{}", Digest::of(b"m")), None),
            (format!("busybox@{}", Digest::of(b"x")), None),
            (hex[..12].to_owned(), Some(one.config)),
            (hex[..11].to_owned(), None),
            (format!("{}:1", &hex[..12]), None),
        ] {
            let found = index.find(&wanted.parse().unwrap()).unwrap();
            assert_eq!(found.map(|(_, entry)| entry.config), expected, "{wanted}");
        }
        for (id, is_found) in [
            (one.config.to_string(), true),
            (hex.clone(), true),
            (hex[..20].to_owned(), true),
            (hex.to_uppercase(), false),
            (format!("{hex}0"), false),
            ("zzzzzzzzzzzz".to_owned(), false),
        ] {
            assert_eq!(index.find_id(&id).unwrap().is_some(), is_found, "{id}");
        }
    }

    #[test]
    fn only_our_own_index_is_an_index() {
        for text in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"version":2,"images":{}}"#,
            r#"{"version":1}"#,
            r#"{"version":1,"images":{},"more":1}"#,
            r#"{"version":1,"images":{"busybox":{"config":"sha256:0","digests":[]}}}"#,
            r#"{"version":1,"images":{}} trailing"#,
            r#"{"schemaVersion":2,"manifests":[]}"#,
        ] {
            assert!(Index::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Index::parse(br#"{"version":1,"images":{}}"#).is_ok());
    }
}
