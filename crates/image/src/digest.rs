//! SHA-256 digests, and a reader that computes one and stops at a limit.
//!
//! Source: the OCI image specification, "Digests". Of the registered algorithms only `sha256` is
//! taken: it is the one in use, and a digest that nobody can check is no digest.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The SHA-256 digest of some content, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

/// The text is not a digest that can be checked.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{}` is not a digest (`sha256:` and 64 lower-case hexadecimal digits)", .0.escape_debug())]
pub struct NotADigest(pub String);

impl Digest {
    /// Returns the digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Returns the 64 hexadecimal digits without the algorithm.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the first 32 hexadecimal digits: names directories, whose paths have to fit side by
    /// side into the one page that holds the options of an overlay mount.
    pub(crate) fn short(&self) -> String {
        self.0[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let wrong = || NotADigest(text.chars().take(100).collect());
        let hex = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        from_hex(hex).ok_or_else(wrong)
    }
}

/// Reads 64 lower-case hexadecimal digits.
pub(crate) fn from_hex(hex: &str) -> Option<Digest> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() != 64 || !hex.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(Digest(bytes))
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A reader that computes the digest of what passes through it, and refuses to pass more than its
/// limit.
pub(crate) struct Digesting<R> {
    inner: R,
    hasher: Sha256,
    left: u64,
    limit: u64,
}

/// More came through a [`Digesting`] reader than it may pass.
#[derive(Clone, Copy, Debug, Error)]
#[error("longer than {0} bytes")]
pub(crate) struct TooLong(pub u64);

impl<R: Read> Digesting<R> {
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self { inner, hasher: Sha256::new(), left: limit, limit }
    }

    /// Reads to the end, and returns the digest of everything and the reader beneath.
    pub(crate) fn finish(mut self) -> io::Result<(Digest, R)> {
        let mut buffer = vec![0; 1 << 16];
        while self.read(&mut buffer)? > 0 {}
        Ok((Digest(self.hasher.finalize().into()), self.inner))
    }

    /// Bytes that passed so far.
    pub(crate) fn passed(&self) -> u64 {
        self.limit - self.left
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = (self.left.checked_sub(count as u64))
            .ok_or_else(|| io::Error::other(TooLong(self.limit)))?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_read_as_they_are_written() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc1c149afbf4c8996fb924");
    }

    #[test]
    fn only_a_whole_lower_case_sha256_is_a_digest() {
        let upper = EMPTY.to_uppercase();
        let hex = EMPTY.strip_prefix("sha256:").unwrap();
        let others = [
            "".to_owned(),
            hex.to_owned(),
            upper,
            format!("sha256:{}", hex.to_uppercase()),
            EMPTY[..70].to_owned(),
            format!("{EMPTY}0"),
            format!("{EMPTY}\n"),
            format!("sha512:{hex}"),
            format!("sha256:+{}", &hex[1..]),
            format!("sha256:{}é", &hex[2..]),
        ];
        for text in others {
            assert!(text.parse::<Digest>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_digesting_reader_stops_at_its_limit() {
        let (exact, _) = Digesting::new(&b"12345"[..], 5).finish().unwrap();
        assert_eq!(exact, Digest::of(b"12345"));
        assert!(Digesting::new(&b"123456"[..], 5).finish().is_err());
    }
}
