//! OCI image layouts: `index.json`, and everything else by digest under `blobs`.
//!
//! Source: the OCI image specification, "Image Layout" and "Pre-Defined Annotation Keys";
//! containerd's `io.containerd.image.name`.

use std::collections::BTreeMap;

use super::source::Source;
use super::{Found, LayerAt};
use crate::store::{NewImage, check_digest};
use crate::wire::{self, Descriptor, Manifest, Platform};
use crate::{Digest, Error, Reference};

/// Finds the images of a layout. `None` if the source is none.
pub(super) fn find(source: &Source) -> Result<Option<Vec<Found>>, Error> {
    let Some(bytes) = source.read_if_there("index.json")? else { return Ok(None) };
    let Manifest::Index(entries) = wire::manifest("index.json", &bytes)? else {
        let why = "it is a manifest and not an index".to_owned();
        return Err(Error::Malformed { what: "index.json".to_owned(), why });
    };

    // One name for several entries is one image for several machines; so are nameless ones.
    let mut groups: BTreeMap<Option<Reference>, Vec<Descriptor>> = BTreeMap::new();
    for entry in entries {
        groups.entry(name(&entry)?).or_default().push(entry);
    }
    let host = Platform::host();
    let images = groups.into_iter().map(|(name, entries)| {
        let label = name.as_ref().map_or_else(|| "index.json".to_owned(), Reference::familiar);
        let entry = match entries.as_slice() {
            [only] => only,
            several => wire::choose(&label, several, &host)?,
        };
        let mut found = resolve(source, entry, &host)?;
        found.image.names = name.into_iter().collect();
        Ok(found)
    });
    images.collect::<Result<_, Error>>().map(Some)
}

/// Follows a descriptor through indexes to the manifest for this machine.
fn resolve(source: &Source, entry: &Descriptor, host: &Platform) -> Result<Found, Error> {
    let mut digests = Vec::new();
    let mut descriptor = entry.clone();
    for _ in 0..MAX_NESTING {
        let label = format!("the manifest {}", descriptor.digest);
        digests.push(descriptor.digest);
        match wire::manifest(&label, &read(source, &descriptor)?)? {
            Manifest::Index(entries) => {
                descriptor = wire::choose(&label, &entries, host)?.clone();
            }
            Manifest::Image { config, layers } => {
                return Ok(Found {
                    image: NewImage {
                        names: Vec::new(),
                        config: read(source, &config)?,
                        digests,
                        layer_count: layers.len(),
                    },
                    layers: layers.iter().map(at).collect(),
                });
            }
        }
    }
    let why = format!("its indexes are nested more than {MAX_NESTING} deep");
    Err(Error::Malformed { what: format!("the image {}", entry.digest), why })
}

/// Reads a document and checks that it is the one that was announced.
fn read(source: &Source, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let member = member(&descriptor.digest);
    let bytes = source.read(&member)?;
    check_digest(&member, &descriptor.digest, Digest::of(&bytes))?;
    if bytes.len() as u64 != descriptor.size {
        let why = format!("it has {} bytes and not {}", bytes.len(), descriptor.size);
        return Err(Error::Malformed { what: member, why });
    }
    Ok(bytes)
}

fn at(layer: &Descriptor) -> LayerAt {
    LayerAt { member: member(&layer.digest), digest: Some(layer.digest) }
}

fn member(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The name that an entry says. A bare tag, as the specification means the second annotation, is no
/// name: nobody could say of what it is the tag.
fn name(entry: &Descriptor) -> Result<Option<Reference>, Error> {
    if let Some(name) = entry.annotations.get("io.containerd.image.name") {
        return Ok(Some(name.parse()?));
    }
    match entry.annotations.get("org.opencontainers.image.ref.name") {
        Some(name) if name.contains(['/', ':']) => Ok(Some(name.parse()?)),
        Some(_) | None => Ok(None),
    }
}

const MAX_NESTING: usize = 4;
