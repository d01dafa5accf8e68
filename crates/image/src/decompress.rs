//! The three ways in which a layer travels: plain, gzip and zstd.
//!
//! The first bytes decide, not the media type: registries and archives are often wrong about it,
//! and the digests are checked on both sides of the decompression anyway.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// A layer's bytes, decompressed while they are read.
pub(crate) enum Decompressed<R: BufRead> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<Zstd<R>>),
}

/// Looks at the first bytes and returns a reader of what they stand for.
pub(crate) fn decompress<R: BufRead>(mut source: R) -> io::Result<Decompressed<R>> {
    let start = source.fill_buf()?;
    Ok(if start.starts_with(GZIP) {
        Decompressed::Gzip(Box::new(MultiGzDecoder::new(source)))
    } else if start.starts_with(ZSTD) || is_skippable(start) {
        Decompressed::Zstd(Box::new(Zstd { source: Some(source), frame: None }))
    } else {
        Decompressed::Plain(source)
    })
}

impl<R: BufRead> Decompressed<R> {
    /// What is behind the end of the decompressed bytes.
    pub(crate) fn into_source(self) -> R {
        match self {
            Self::Plain(source) => source,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.into_source(),
        }
    }
}

impl<R: BufRead> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// A sequence of zstd frames, with skippable frames between them.
///
/// Invariant: exactly one of the two is `Some`, but for the moment in which one becomes the other.
pub(crate) struct Zstd<R: BufRead> {
    source: Option<R>,
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> Zstd<R> {
    fn into_source(self) -> R {
        match (self.source, self.frame) {
            (Some(source), _) => source,
            (None, Some(frame)) => frame.into_inner(),
            (None, None) => unreachable!("a zstd stream has its source or a frame that has it"),
        }
    }

    /// Begins the next frame. `Ok(false)` at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        let Some(source) = self.source.as_mut() else { return Ok(true) };
        loop {
            let start = source.fill_buf()?;
            if start.is_empty() {
                return Ok(false);
            }
            if !is_skippable(start) {
                break;
            }
            let mut header = [0; 8];
            source.read_exact(&mut header)?;
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            let skipped = io::copy(&mut source.take(length.into()), &mut io::sink())?;
            if skipped < length.into() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let Some(source) = self.source.take() else { return Ok(true) };
        self.frame = Some(StreamingDecoder::new(source).map_err(io::Error::other)?);
        Ok(true)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.next_frame()? {
            let Some(frame) = self.frame.as_mut() else { break };
            let count = frame.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.source = self.frame.take().map(StreamingDecoder::into_inner);
        }
        Ok(0)
    }
}

fn is_skippable(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        let zstd = compress_to_vec(&b"hello "[..], CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let gzip = gzip(b"hello ");
        for (shows, bytes, expected) in [
            ("plain", b"hello ".to_vec(), "hello "),
            ("nothing", Vec::new(), ""),
            ("gzip", gzip.clone(), "hello "),
            ("two gzip members", [gzip.clone(), gzip].concat(), "hello hello "),
            ("zstd", zstd.clone(), "hello "),
            ("two zstd frames", [zstd.clone(), zstd.clone()].concat(), "hello hello "),
            ("a skippable frame", [skippable, zstd].concat(), "hello "),
        ] {
            let mut text = String::new();
            decompress(&bytes[..]).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, expected, "{shows}");
        }
    }

    #[test]
    fn a_truncated_stream_is_an_error() {
        let long = vec![7; 100_000];
        for whole in [gzip(&long), compress_to_vec(&long[..], CompressionLevel::Fastest)] {
            let cut = &whole[..whole.len() - 5];
            assert!(decompress(cut).unwrap().read_to_end(&mut Vec::new()).is_err());
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }
}
