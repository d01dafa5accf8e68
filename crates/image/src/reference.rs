//! Image references: `busybox`, `registry.example:5000/team/app:1.2@sha256:…`.
//!
//! There is one parser, and everything that reads a reference (manifests, archives, the command
//! line) goes through it, so that no two parts of the program can read one reference in two ways.
//!
//! ```text
//! reference  = name [ ":" tag ] [ "@" digest ]
//! name       = [ domain "/" ] component { "/" component }      the path: at most 255 bytes
//! domain     = ( host | "[" IPv6 "]" ) [ ":" digits ]
//! host       = label { "." label }                             label: [A-Za-z0-9] with inner "-"
//! component  = word { ( "." | "_" | "__" | "-"+ ) word }       word: [a-z0-9]+
//! tag        = [A-Za-z0-9_] and up to 127 of [A-Za-z0-9_.-]
//! digest     = "sha256:" and 64 of [0-9a-f]
//! ```
//!
//! Defaults, in this order: what comes before the first `/` is a domain only if it has a `.`, a `:`
//! or an upper-case letter or is `localhost`; the domain is `docker.io`; there a name without `/`
//! gets `library/`; without tag and digest the tag is `latest`. 64 hexadecimal digits, alone or
//! behind `sha256:`, are refused, because they could be taken for an image id.
//!
//! Source: distribution's `reference` package (grammar and `normalize.go`).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

use crate::Digest;
use crate::digest::from_hex;

/// A complete reference to an image: registry, repository, and a tag or a digest or both.
///
/// Having one tells that its text is canonical: two references are to the same image name exactly
/// if they are equal.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The text is not an image reference.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{}` is not an image reference: {why}", text.escape_debug())]
pub struct ReferenceError {
    /// The text, cut if it is long.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Reference {
    /// The registry's host and, if it is not the usual one, its port: `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path within the registry: `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag: always there if there is no digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the image's manifest or index, if the reference pins it.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the short form that people write: `busybox:latest`.
    pub fn familiar(&self) -> String {
        let repository = match self.registry.as_str() {
            DEFAULT_REGISTRY => {
                self.repository.strip_prefix(DEFAULT_NAMESPACE).unwrap_or(&self.repository)
            }
            _ => return self.to_string(),
        };
        // `docker.io/localhost/app` and `docker.io/a.b/app` must keep their registry: without it
        // their first component would be read as one.
        match repository.split_once('/') {
            Some((first, _)) if is_domain(first) => self.to_string(),
            _ => format!("{repository}{}", self.suffix()),
        }
    }

    /// Returns the same name with `digest` as all that selects the image.
    pub(crate) fn pinned(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

/// The canonical form: `docker.io/library/busybox:latest`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.repository, self.suffix())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|why| ReferenceError { text: text.chars().take(300).collect(), why })
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if from_hex(text).is_some() || text.parse::<Digest>().is_ok() {
        return Err("it is an image id and not a name");
    }

    let (rest, digest) = match text.split_once('@') {
        None => (text, None),
        Some((rest, digest)) => {
            let digest = digest.parse().map_err(
                |_| "what follows the `@` must be `sha256:` and 64 lower-case hexadecimal digits",
            )?;
            (rest, Some(digest))
        }
    };
    let (domain, rest) = match rest.split_once('/') {
        Some((first, rest)) if is_domain(first) => (Some(first), rest),
        _ => (None, rest),
    };
    let (path, tag) = match rest.split_once(':') {
        None => (rest, None),
        Some((path, tag)) => (path, Some(tag)),
    };

    if let Some(domain) = domain {
        check_domain(domain)?;
    }
    check_path(path)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }

    let registry = match domain {
        None | Some("index.docker.io") => DEFAULT_REGISTRY,
        Some(domain) => domain,
    };
    let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
        format!("{DEFAULT_NAMESPACE}{path}")
    } else {
        path.to_owned()
    };
    let tag = match (tag, digest) {
        (None, None) => Some(DEFAULT_TAG.to_owned()),
        (tag, _) => tag.map(str::to_owned),
    };
    Ok(Reference { registry: registry.to_owned(), repository, tag, digest })
}

/// Is the first component of a name the registry rather than part of the path?
fn is_domain(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.contains(|letter: char| letter.is_ascii_uppercase())
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    const WHY: &str = "the registry is not a host name or address with an optional port";
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(WHY)?;
            address.parse::<Ipv6Addr>().map_err(|_| WHY)?;
            (None, (!port.is_empty()).then_some(port))
        }
        None => match domain.find(':') {
            Some(at) => (Some(&domain[..at]), Some(&domain[at..])),
            None => (Some(domain), None),
        },
    };

    let is_label = |label: &str| {
        label.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && label.ends_with(|letter: char| letter.is_ascii_alphanumeric())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.is_some_and(|host| !host.split('.').all(is_label)) {
        return Err(WHY);
    }
    let is_port = |port: &str| {
        let digits = port.strip_prefix(':').unwrap_or_default();
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err(WHY);
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > MAX_PATH {
        return Err("the name is longer than 255 characters");
    }
    if path.contains(|letter: char| letter.is_ascii_uppercase()) {
        return Err("the name must be lower-case");
    }
    if !path.split('/').all(is_component) {
        return Err("a part of the name is not letters and digits joined by `.`, `_`, `__` or `-`");
    }
    Ok(())
}

fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator =
        |text: &[u8]| matches!(text, b"." | b"_" | b"__") || text.iter().all(|&byte| byte == b'-');
    let bytes = component.as_bytes();
    let has_words_at_its_ends =
        bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    has_words_at_its_ends
        && bytes
            .chunk_by(|a, b| is_word(*a) == is_word(*b))
            .all(|run| run.first().copied().is_some_and(is_word) || is_separator(run))
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = tag.bytes().next().is_some_and(is_word);
    let is_tag = starts_well
        && tag.len() <= MAX_TAG
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
    if is_tag {
        Ok(())
    } else {
        Err(
            "the tag is not 1 to 128 letters, digits, `_`, `.` or `-`, beginning with no `.` or `-`",
        )
    }
}

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_PATH: usize = 255;
const MAX_TAG: usize = 128;

#[cfg(test)]
mod tests;
