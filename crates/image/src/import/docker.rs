//! What `docker save` writes: `manifest.json`, and beside it a configuration and layers.
//!
//! Source: Docker's "Image Specification v1.2", "Combined Image JSON + Filesystem Changeset Format".

use serde::Deserialize;

use super::source::Source;
use super::{Found, LayerAt};
use crate::config::null_is_default;
use crate::digest::from_hex;
use crate::store::NewImage;
use crate::{Digest, Error, Reference};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

/// Finds the images of a docker-archive. `None` if the source is none.
pub(super) fn find(source: &Source) -> Result<Option<Vec<Found>>, Error> {
    let Some(bytes) = source.read_if_there("manifest.json")? else { return Ok(None) };
    let items: Vec<Item> =
        serde_json::from_slice(&bytes).map_err(Error::malformed("manifest.json"))?;
    items.into_iter().map(|item| read(source, item)).collect::<Result<_, _>>().map(Some)
}

fn read(source: &Source, item: Item) -> Result<Found, Error> {
    let config = source.read(&item.config)?;
    if let Some(expected) = named_after(&item.config) {
        crate::store::check_digest(&item.config, &expected, Digest::of(&config))?;
    }
    let names = item.repo_tags.iter().map(|tag| tag.parse::<Reference>());
    let layer = |member: String| LayerAt { digest: blob_digest(&member), member };
    Ok(Found {
        image: NewImage {
            names: names.collect::<Result<_, _>>()?,
            config,
            digests: Vec::new(),
            layer_count: item.layers.len(),
        },
        layers: item.layers.into_iter().map(layer).collect(),
    })
}

/// The digest that a configuration's file name announces: `<hex>.json` or `blobs/sha256/<hex>`.
fn named_after(member: &str) -> Option<Digest> {
    let name = member.rsplit('/').next().unwrap_or(member);
    from_hex(name.strip_suffix(".json").unwrap_or(name))
}

/// The digest that a layer's file name announces. Only a blob's name is one: the directory
/// `<hex>/layer.tar` of older archives is called after something else.
fn blob_digest(member: &str) -> Option<Digest> {
    from_hex(member.strip_prefix("blobs/sha256/")?)
}
