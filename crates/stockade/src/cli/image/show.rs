//! Images in words and as JSON.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Serialize;
use stockade_image::{Image, Listed, Reference, Store};

use crate::answer::Failure;
use crate::ui::{BOLD, bytes, plain};

/// Finds an image by name or id.
pub(super) fn find(store: &Store, name: &str) -> Result<Image, Failure> {
    match (name.parse::<Reference>(), store.find_id(name)?) {
        (_, Some(image)) => Ok(image),
        (Ok(reference), None) => Ok(store.get(&reference)?),
        (Err(error), None) => Err(Failure::question(error)),
    }
}

/// The name under which an image is removed. It may be damaged.
pub(super) fn name(store: &Store, name: &str) -> Result<Reference, Failure> {
    match name.parse::<Reference>() {
        Ok(reference) => Ok(reference),
        Err(_) => Ok(find(store, name)?.reference),
    }
}

/// One line of a list.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    repository: String,
    tag: String,
    id: String,
    /// `None` if the image is damaged.
    #[serde(rename = "sizeBytes")]
    size: Option<u64>,
}

/// Lists all images.
pub(super) fn list(store: &Store) -> Result<Vec<Line>, Failure> {
    let line = |Listed { reference, config_digest, digests: _ }: Listed| {
        let familiar = reference.familiar();
        let (name, digest) = familiar
            .split_once('@')
            .map_or((&*familiar, None), |(name, digest)| (name, Some(digest)));
        let suffix = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        Line {
            repository: name.strip_suffix(&suffix).unwrap_or(name).to_owned(),
            tag: reference.tag().or(digest).unwrap_or_default().to_owned(),
            id: config_digest.to_string(),
            size: store.get(&reference).ok().map(|image| size(&image)),
        }
    };
    Ok(store.list()?.into_iter().map(line).collect())
}

/// Bytes of all files of an image, as unpacked.
fn size(image: &Image) -> u64 {
    image.layers.iter().map(|it| size_below(it, DEEPEST)).sum()
}

fn size_below(directory: &Path, depth: u32) -> u64 {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let size = |path: &Path| match path.symlink_metadata() {
        Ok(found) if found.is_dir() && depth > 0 => size_below(path, depth - 1),
        Ok(found) if found.is_file() => found.size(),
        Ok(_) | Err(_) => 0,
    };
    entries.map(|it| size(&it.path())).sum()
}

/// A list as people read it.
pub(super) fn table(list: &[Line]) -> String {
    let mut rows = vec![["REPOSITORY", "TAG", "IMAGE ID", "SIZE"].map(str::to_owned)];
    rows.extend(list.iter().map(|line| {
        let id = line.id.strip_prefix("sha256:").unwrap_or(&line.id);
        let size = line.size.map_or_else(|| "damaged".to_owned(), bytes);
        let id = id.get(..SHORT_ID).unwrap_or(id).to_owned();
        [plain(&line.repository).into_owned(), plain(&line.tag).into_owned(), id, size]
    }));
    let width = |column: usize| {
        rows.iter().map(|row: &[String; 4]| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let lines = rows.iter().map(|[repository, tag, id, size]| {
        let [a, b, c] = widths;
        format!("{repository:a$}   {tag:b$}   {id:c$}   {size}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn list_json(list: &[Line]) -> Result<String, Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        api_version: &'static str,
        kind: &'static str,
        items: &'a [Line],
    }
    let list = List { api_version: API_VERSION, kind: "ImageList", items: list };
    serde_json::to_string_pretty(&list).map_err(Failure::unanswered)
}

/// An image as JSON.
pub(super) fn json(image: &Image) -> Result<String, Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        api_version: &'static str,
        kind: &'static str,
        name: String,
        id: String,
        architecture: &'a str,
        os: &'a str,
        user: Option<&'a str>,
        env: &'a [String],
        entrypoint: &'a [String],
        cmd: &'a [String],
        working_dir: Option<&'a str>,
        stop_signal: Option<&'a str>,
        exposed_ports: &'a [String],
        volumes: &'a [String],
        labels: &'a BTreeMap<String, String>,
        layers: Vec<String>,
        size_bytes: u64,
        left_out: Vec<String>,
    }
    let config = &image.config;
    let shown = Shown {
        api_version: API_VERSION,
        kind: "Image",
        name: image.reference.familiar(),
        id: image.config_digest.to_string(),
        architecture: &config.architecture,
        os: &config.os,
        user: config.user.as_deref(),
        env: &config.env,
        entrypoint: &config.entrypoint,
        cmd: &config.cmd,
        working_dir: config.working_dir.as_deref(),
        stop_signal: config.stop_signal.as_deref(),
        exposed_ports: &config.exposed_ports,
        volumes: &config.volumes,
        labels: &config.labels,
        layers: image.layers.iter().map(|it| it.display().to_string()).collect(),
        size_bytes: size(image),
        left_out: image.skipped.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_string_pretty(&shown).map_err(Failure::unanswered)
}

/// An image as people read it.
pub(super) fn text(image: &Image) -> String {
    let config = &image.config;
    let list = |list: &[String]| list.join(" ");
    let or_none = |it: &Option<String>| it.clone().unwrap_or_default();
    let fields = [
        ("Name", image.reference.familiar()),
        ("ID", image.config_digest.to_string()),
        ("Platform", format!("{}/{}", config.os, config.architecture)),
        ("Size", bytes(size(image))),
        ("User", or_none(&config.user)),
        ("Entrypoint", list(&config.entrypoint)),
        ("Command", list(&config.cmd)),
        ("Directory", or_none(&config.working_dir)),
        ("Stop signal", or_none(&config.stop_signal)),
        ("Layers", image.layers.len().to_string()),
    ];
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    let mut lines: Vec<String> = shown
        .map(|(name, value)| format!("{BOLD}{:13}{BOLD:#}{}", format!("{name}:"), plain(value)))
        .collect();
    lines.extend(config.env.iter().map(|it| format!("{BOLD}{:13}{BOLD:#}{}", "Env:", plain(it))));
    lines.join("\n")
}

const API_VERSION: &str = "stockade.dev/v1alpha1";
const SHORT_ID: usize = 12;
const DEEPEST: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_columns() {
        let line = |repository: &str, tag: &str, size| Line {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            id: format!("sha256:{}", "ab".repeat(32)),
            size,
        };
        let list = [line("busybox", "latest", Some(2048)), line("quay.io/a/b", "1", None)];
        let expected = "\
REPOSITORY    TAG      IMAGE ID       SIZE
busybox       latest   abababababab   2.0 KiB
quay.io/a/b   1        abababababab   damaged";
        assert_eq!(table(&list), expected);
    }
}
