//! The texts that are named on a command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::answer::Failure;

/// A text and the name under which its author knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Text {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// Reads files, `-` or `/dev/stdin` (standard input) and directories (every `.yaml`, `.yml` and `.json` in them, by
/// name).
pub(crate) fn read(inputs: &[PathBuf]) -> Result<Vec<Text>, Failure> {
    let mut texts = Vec::new();
    for input in inputs {
        if input.is_dir() {
            for path in manifests(input)? {
                texts.push(read_one(&path)?);
            }
        } else {
            texts.push(read_one(input)?);
        }
    }
    Ok(texts)
}

/// Reads one file; `-` and `/dev/stdin` are standard input.
pub(crate) fn read_one(input: &Path) -> Result<Text, Failure> {
    // By either name it is the descriptor that we have: the path needs `/proc` and a link.
    if input.as_os_str() == "-" || input.as_os_str() == "/dev/stdin" {
        text("<stdin>", io::stdin().lock())
    } else {
        file(input)
    }
}

fn manifests(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: io::Error| {
        Failure::question(format!("cannot read the directory {}: {error}", directory.display()))
    };
    let mut found = Vec::new();
    for entry in directory.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|it| it.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) && !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        let what = format!("no .yaml, .yml or .json file in {}", directory.display());
        return Err(Failure::question(what));
    }
    Ok(found)
}

fn file(path: &Path) -> Result<Text, Failure> {
    let file = File::open(path)
        .map_err(|error| Failure::question(format!("cannot read {}: {error}", path.display())))?;
    text(&path.display().to_string(), file)
}

fn text(name: &str, from: impl Read) -> Result<Text, Failure> {
    let mut bytes = Vec::new();
    let read = from.take(MOST + 1).read_to_end(&mut bytes);
    let failed = |why: String| Failure::question(format!("cannot read {name}: {why}"));
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MOST {
        return Err(failed(format!("it is larger than {} MiB", MOST >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        failed(format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
    })?;
    Ok(Text { file: name.to_owned(), text })
}

/// More than any manifest: an API server takes 3 MiB.
const MOST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_manifests_by_name() {
        let base = std::env::temp_dir().join(format!("stockade-inputs-{}", std::process::id()));
        std::fs::create_dir_all(base.join("d.yaml")).unwrap();
        std::fs::create_dir_all(base.join("empty")).unwrap();
        for name in ["b.yml", "a.yaml", "c.json", "README.md", ".yaml"] {
            std::fs::write(base.join(name), name).unwrap();
        }
        let texts = read(std::slice::from_ref(&base)).unwrap();
        let texts: Vec<&str> = texts.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["a.yaml", "b.yml", "c.json"]);
        assert!(read(&[base.join("empty")]).is_err());
        assert!(read(&[base.join("missing.yaml")]).is_err());
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn a_text_is_utf_8_and_not_endless() {
        assert_eq!(text("x", "é".as_bytes()).unwrap().text, "é");
        assert!(text("x", &b"a\xff"[..]).is_err());
        assert!(text("x", io::repeat(b' ')).is_err());
    }
}
