//! Manifests and indexes as registries, layouts and archives write them.
//!
//! Reads what it needs and no more; what it needs it checks. Unknown fields are ignored, as the
//! specification asks. The types are ours because only six fields matter here, and a field that an
//! image may leave out must not make it unreadable.
//!
//! Source: the OCI image specification, "Image Manifest", "Image Index", "Content Descriptors";
//! Docker's "Image Manifest V 2, Schema 2", which has the same shape.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::null_is_default;
use crate::{Digest, Error};

/// A pointer to some content.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// For what an image is built.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) variant: String,
}

/// What a descriptor for an image can point to.
#[derive(Debug)]
pub(crate) enum Manifest {
    Index(Vec<Descriptor>),
    Image { config: Descriptor, layers: Vec<Descriptor> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyManifest {
    #[serde(default)]
    schema_version: u64,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

/// Reads a manifest or an index; the fields tell which, and a document that is both is neither.
///
/// # Errors
///
/// [`Error::Malformed`], with `what` as its subject.
pub(crate) fn manifest(what: &str, bytes: &[u8]) -> Result<Manifest, Error> {
    let wrong = |why: String| Error::Malformed { what: what.to_owned(), why };
    let any: AnyManifest = serde_json::from_slice(bytes).map_err(|it| wrong(it.to_string()))?;
    if any.schema_version != 2 {
        return Err(wrong(format!("its schemaVersion is {}, not 2", any.schema_version)));
    }
    match (any.manifests, any.config, any.layers) {
        // An index that is also a manifest means two things to two readers (CVE-2021-41190).
        (Some(manifests), None, None) => Ok(Manifest::Index(manifests)),
        (None, Some(config), Some(layers)) => {
            if let Some(layer) = layers.iter().find(|layer| !is_layer(&layer.media_type)) {
                let kind = layer.media_type.escape_debug();
                return Err(wrong(format!("`{kind}` is not the media type of a layer")));
            }
            Ok(Manifest::Image { config, layers })
        }
        _ => Err(wrong("it is neither an image manifest nor an index".to_owned())),
    }
}

/// Picks from an index what runs on this machine.
///
/// # Errors
///
/// [`Error::Platform`] naming what there is.
pub(crate) fn choose<'a>(
    what: &str,
    manifests: &'a [Descriptor],
    wanted: &Platform,
) -> Result<&'a Descriptor, Error> {
    let fits = |platform: &Platform| {
        platform.os == wanted.os && platform.architecture == wanted.architecture
    };
    // A plain entry comes before one for a newer processor, which this one may not be.
    let rank = |variant: &str| match (wanted.architecture.as_str(), variant) {
        (_, "") => 0,
        ("arm64", "v8") | ("amd64", "v1") | ("arm", "v7") => 1,
        _ => 2,
    };
    let fitting = manifests
        .iter()
        .filter_map(|it| it.platform.as_ref().filter(|it| fits(it)).map(|at| (it, at)))
        .min_by_key(|(_, platform)| rank(&platform.variant))
        .map(|(descriptor, _)| descriptor);
    // Layouts of one image often do not say what it is for; its configuration does.
    let only = match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    fitting.or(only).ok_or_else(|| Error::Platform {
        what: what.to_owned(),
        wanted: wanted.to_string(),
        found: manifests.iter().filter_map(|it| Some(it.platform.as_ref()?.to_string())).collect(),
    })
}

impl Platform {
    /// The platform of this machine, in Go's words.
    pub(crate) fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: "".to_owned(),
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os.escape_debug(), self.architecture.escape_debug())?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant.escape_debug())?;
        }
        Ok(())
    }
}

fn is_layer(media_type: &str) -> bool {
    LAYERS.contains(&media_type)
}

pub(crate) const INDEXES: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

pub(crate) const MANIFESTS: &[&str] = &[
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Layers as tar archives. Not among them: encrypted layers, and artifacts that are no images.
const LAYERS: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_an_index_or_a_manifest_or_refused() {
        let blob = format!(r#"{{"digest":"{}","size":1}}"#, Digest::of(b""));
        let layer = format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":1}}"#,
            Digest::of(b"")
        );
        for (expected, text) in [
            ("index", format!(r#"{{"schemaVersion":2,"manifests":[{blob}]}}"#)),
            ("image", format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[{layer}]}}"#)),
            ("image", format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[],"x":1}}"#)),
            ("none", format!(r#"{{"schemaVersion":1,"manifests":[{blob}]}}"#)),
            ("none", format!(r#"{{"manifests":[{blob}]}}"#)),
            ("none", format!(r#"{{"schemaVersion":2,"config":{blob}}}"#)),
            ("none", format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[{blob}]}}"#)),
            (
                "none",
                format!(
                    r#"{{"schemaVersion":2,"manifests":[],"config":{blob},"layers":[{layer}]}}"#
                ),
            ),
            (
                "none",
                r#"{"schemaVersion":2,"config":{"digest":"sha256:00","size":1},"layers":[]}"#
                    .into(),
            ),
            ("none", "[]".into()),
            ("none", "".into()),
        ] {
            let found = match manifest("test", text.as_bytes()) {
                Ok(Manifest::Index(_)) => "index",
                Ok(Manifest::Image { .. }) => "image",
                Err(_) => "none",
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_entry_for_this_machine_is_chosen() {
        let amd64 =
            Platform { architecture: "amd64".into(), os: "linux".into(), variant: "".into() };
        let rows: &[(&[&str], Option<usize>)] = &[
            (&["linux/arm64", "linux/amd64"], Some(1)),
            (&["windows/amd64", "linux/amd64"], Some(1)),
            (&["linux/amd64/v3", "linux/amd64"], Some(1)),
            (&["linux/amd64/v3", "linux/amd64/v1"], Some(1)),
            (&["linux/amd64/v3"], Some(0)),
            (&["unknown/unknown", "linux/arm64"], None),
            (&[""], Some(0)),
            (&["", ""], None),
            (&[], None),
        ];
        for (names, expected) in rows {
            let manifests: Vec<Descriptor> = names.iter().map(|name| descriptor(name)).collect();
            let chosen = choose("test", &manifests, &amd64).ok();
            let expected = expected.map(|at| &manifests[at]);
            assert_eq!(
                chosen.map(std::ptr::from_ref),
                expected.map(std::ptr::from_ref),
                "{names:?}"
            );
        }
    }

    fn descriptor(name: &str) -> Descriptor {
        let mut parts = name.split('/').map(str::to_owned);
        let os = parts.next().unwrap();
        Descriptor {
            media_type: "".into(),
            digest: Digest::of(name.as_bytes()),
            size: 1,
            platform: (!os.is_empty()).then(|| Platform {
                os,
                architecture: parts.next().unwrap(),
                variant: parts.next().unwrap_or_default(),
            }),
            annotations: BTreeMap::new(),
        }
    }
}
