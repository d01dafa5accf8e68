//! Seccomp profiles as OCI artifacts: an image layout whose one manifest says by the media type of its
//! configuration that its one layer is a profile.
//!
//! Reads directories and plain archives; writes directories. The content is handed on as it is: what
//! a profile means is not known here. An artifact is no image, and no image is one.
//!
//! Source: KEP-6061, "OCI Artifact Format"; the OCI image specification, "Image Layout" and "Guidelines
//! for Artifact Usage".

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::import::Source;
use crate::wire::Descriptor;
use crate::{Digest, Error};

/// Reads the profile of the layout at `path`. `None` if that is no layout.
///
/// # Errors
///
/// [`Error::Malformed`] for a layout that is not that of one profile, [`Error::WrongDigest`],
/// [`Error::TooLarge`]; [`Error::Io`].
pub fn read_profile_artifact(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let Some(source) = Source::open_plain(path)? else { return Ok(None) };
    let Some(index) = source.read_if_there(INDEX)? else { return Ok(None) };
    let index: Index = serde_json::from_slice(&index).map_err(Error::malformed(INDEX))?;
    let wrong = |why: String| Error::Malformed { what: path.display().to_string(), why };
    let [entry] = index.manifests.as_slice() else {
        return Err(wrong(format!("it holds {} manifests and not one", index.manifests.len())));
    };
    let label = format!("the manifest {}", entry.digest);
    let manifest: Manifest =
        serde_json::from_slice(&blob(&source, entry)?).map_err(Error::malformed(&label))?;
    let kinds = [manifest.artifact_type.as_deref(), Some(manifest.config.media_type.as_str())];
    if !kinds.contains(&Some(PROFILE)) {
        let kind = manifest.config.media_type.escape_debug();
        return Err(wrong(format!("it is `{kind}` and not `{PROFILE}`")));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(wrong(format!("it has {} layers and not one", manifest.layers.len())));
    };
    // CRI-O's first form has an archive for a layer.
    if layer.media_type.contains(".tar") {
        return Err(wrong("its layer is an archive and not the profile itself".to_owned()));
    }
    blob(&source, layer).map(Some)
}

/// Writes `profile` as a layout into the directory `path`, which must not be there.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_profile_artifact(path: &Path, profile: &[u8]) -> Result<Digest, Error> {
    let blobs = path.join("blobs/sha256");
    fs::create_dir(path).map_err(Error::io("make", path))?;
    fs::create_dir_all(&blobs).map_err(Error::io("make", &blobs))?;
    let write = |to: &Path, content: &[u8]| fs::write(to, content).map_err(Error::io("write", to));
    let keep = |media_type, content: &[u8]| {
        let digest = Digest::of(content);
        write(&blobs.join(digest.hex()), content)?;
        Ok::<_, Error>(Pointer {
            media_type,
            digest,
            size: content.len() as u64,
            annotations: None,
        })
    };
    let config = keep(PROFILE, b"{}")?;
    let mut layer = keep("application/json", profile)?;
    layer.annotations = Some(Title { title: "profile.json" });
    let manifest = NewManifest {
        schema_version: 2,
        media_type: MANIFEST,
        artifact_type: PROFILE,
        config,
        layers: [layer],
    };
    let manifest = keep(MANIFEST, &json(&manifest)?)?;
    let digest = manifest.digest;
    let index = NewIndex { schema_version: 2, media_type: INDEX_TYPE, manifests: [manifest] };
    write(&path.join(INDEX), &json(&index)?)?;
    write(&path.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(digest)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(Error::malformed("the manifest"))
}

/// A document of the layout, of the size and digest that were announced.
fn blob(source: &Source, at: &Descriptor) -> Result<Vec<u8>, Error> {
    let member = format!("blobs/sha256/{}", at.digest.hex());
    if at.size > MOST {
        return Err(Error::TooLarge { what: member, limit: MOST });
    }
    let mut bytes = Vec::new();
    let content = source.content(&member, Some(at.digest))?;
    let read = content.reader.take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(Error::io("read", Path::new(&member)))?;
    let found = Digest::of(&bytes);
    if found != at.digest || bytes.len() as u64 != at.size {
        return Err(Error::WrongDigest { what: member, expected: at.digest, found });
    }
    Ok(bytes)
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewIndex {
    schema_version: u8,
    media_type: &'static str,
    manifests: [Pointer; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewManifest {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Pointer,
    layers: [Pointer; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pointer {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Title>,
}

#[derive(Serialize)]
struct Title {
    #[serde(rename = "org.opencontainers.image.title")]
    title: &'static str,
}

const PROFILE: &str = "application/vnd.cncf.seccomp-profile.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const INDEX: &str = "index.json";

/// As much of a profile, or of a document, as is read.
const MOST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("artifact");
        write_profile_artifact(&path, b"a profile").unwrap();
        assert_eq!(read_profile_artifact(&path).unwrap().unwrap(), b"a profile");
        assert!(write_profile_artifact(&path, b"another").is_err(), "nothing is overwritten");

        let archive = directory.path().join("artifact.tar");
        let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
        builder.append_dir_all(".", &path).unwrap();
        builder.finish().unwrap();
        assert_eq!(read_profile_artifact(&archive).unwrap().unwrap(), b"a profile");
    }

    #[test]
    fn what_is_no_layout_is_none_and_what_is_another_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        assert!(read_profile_artifact(directory.path()).unwrap().is_none());
        let json = directory.path().join("profile.json");
        fs::write(&json, r#"{"defaultAction": "SCMP_ACT_LOG"}"#.repeat(40)).unwrap();
        assert!(read_profile_artifact(&json).unwrap().is_none());

        write_profile_artifact(&path, b"a profile").unwrap();
        let index = fs::read_to_string(path.join(INDEX)).unwrap();
        let digest = index.split("sha256:").nth(1).unwrap()[..64].to_owned();
        let manifest_path = path.join("blobs/sha256").join(&digest);
        let manifest = fs::read_to_string(&manifest_path).unwrap();
        let layer = Digest::of(b"a profile");
        // Each with a manifest that its index really points to.
        for (shows, from, to, expected) in [
            ("another kind", PROFILE, "application/x", "`application/x` and not"),
            ("an archive", "application/json", "application/x.tar", "is an archive"),
            ("no layer", r#""layers":["#, r#""layers":[],"other":["#, "has 0 layers"),
            ("another size", r#""size":9"#, r#""size":8"#, "it is damaged or forged"),
            ("a size of its own", r#""size":9"#, r#""size":9000000000"#, "larger than the limit"),
            ("no such layer", &layer.hex(), &Digest::of(b"x").hex(), "is missing"),
        ] {
            let changed = manifest.replace(from, to);
            let named = Digest::of(changed.as_bytes());
            fs::write(path.join("blobs/sha256").join(named.hex()), &changed).unwrap();
            let size = |it: &str| format!(r#""size":{}"#, it.len());
            let pointing =
                index.replace(&digest, &named.hex()).replace(&size(&manifest), &size(&changed));
            fs::write(path.join(INDEX), pointing).unwrap();
            let found = read_profile_artifact(&path).unwrap_err().to_string();
            assert!(found.contains(expected), "{shows}: {found}");
        }
        fs::write(path.join(INDEX), index.replace("}]", "},{}]").replace("{}", "null")).unwrap();
        assert!(read_profile_artifact(&path).is_err());
    }
}
