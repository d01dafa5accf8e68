//! What the tests of this crate share: images made by hand.

#![allow(dead_code, reason = "each test target uses some of it")]

pub(crate) mod archive;
pub(crate) mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use archive::{Item, archive, dir, file};
use serde_json::{Value, json};
use stockade_image::{Digest, Reference};

/// An image as its parts.
pub(crate) struct Parts {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

impl Parts {
    /// An image of plain layers for this machine.
    pub(crate) fn new(layers: &[&[Item]]) -> Self {
        Self::with_config(layers, &json!({"Cmd": ["/bin/true"], "User": "1000:7"}))
    }

    pub(crate) fn with_config(layers: &[&[Item]], process: &Value) -> Self {
        let layers: Vec<Vec<u8>> = layers.iter().map(|items| archive(items)).collect();
        let diff_ids: Vec<String> = layers.iter().map(|it| Digest::of(it).to_string()).collect();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": process,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        Self { config: config.to_string().into_bytes(), layers }
    }

    /// The members of what `docker save` writes.
    pub(crate) fn docker_members(&self, tags: &[&str]) -> Vec<Item> {
        let hex = Digest::of(&self.config).hex();
        let names: Vec<String> =
            (0..self.layers.len()).map(|it| format!("{it}/layer.tar")).collect();
        let manifest =
            json!([{"Config": format!("{hex}.json"), "RepoTags": tags, "Layers": names}]);
        let mut members = vec![file(format!("{hex}.json"), &self.config)];
        for (name, layer) in names.iter().zip(&self.layers) {
            members.push(dir(name.split('/').next().unwrap()));
            members.push(file(name, layer));
        }
        members.push(file("manifest.json", manifest.to_string()));
        members
    }

    pub(crate) fn docker(&self, tags: &[&str]) -> Vec<u8> {
        archive(&self.docker_members(tags))
    }

    /// The manifest for layers that travel as `packed`.
    pub(crate) fn manifest(&self, packed: &[(&str, Vec<u8>)]) -> Value {
        let layers: Vec<Value> =
            packed.iter().map(|(kind, bytes)| descriptor(&layer_type(kind), bytes)).collect();
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config),
            "layers": layers,
        })
    }

    pub(crate) fn plain(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.layers.iter().map(|it| ("tar", it.clone())).collect()
    }
}

/// An OCI layout as its files.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Layout {
    /// Adds a blob and returns its descriptor.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let name = format!("blobs/sha256/{}", Digest::of(bytes).hex());
        self.files.push((name, bytes.to_vec()));
        descriptor(media_type, bytes)
    }

    /// Adds an image and returns the descriptor of its manifest.
    pub(crate) fn image(&mut self, parts: &Parts, packed: &[(&str, Vec<u8>)]) -> Value {
        self.blob("application/vnd.oci.image.config.v1+json", &parts.config);
        for (kind, bytes) in packed {
            self.blob(&layer_type(kind), bytes);
        }
        self.blob(MANIFEST, parts.manifest(packed).to_string().as_bytes())
    }

    pub(crate) fn index(&mut self, entries: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        self.files.push(("index.json".into(), index.to_string().into_bytes()));
        self.files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    }

    pub(crate) fn write(&self, to: &Path) {
        for (name, bytes) in &self.files {
            let path = to.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    pub(crate) fn tar(&self) -> Vec<u8> {
        let items: Vec<Item> = self.files.iter().map(|(name, it)| file(name, it)).collect();
        archive(&items)
    }
}

/// A directory for a store, and one for what goes into it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// In memory, if the machine lets us: what is written to a disk that others are busy with takes
    /// its time, and a test that brings in many images would wait for each of them.
    pub(crate) fn in_memory() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { directory: directory.unwrap() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names in a directory of the store.
    pub(crate) fn stored(&self, directory: &str) -> Vec<String> {
        let path = self.root().join("images").join(directory);
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

pub(crate) fn with(mut descriptor: Value, key: &str, value: Value) -> Value {
    descriptor[key] = value;
    descriptor
}

pub(crate) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn layer_type(kind: &str) -> String {
    format!("application/vnd.oci.image.layer.v1.{kind}")
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
