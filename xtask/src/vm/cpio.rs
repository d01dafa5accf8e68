//! An initramfs as the kernel unpacks it: a cpio archive in the "newc" format.
//!
//! Written here because it is a page of code, and the program `cpio` would be
//! one more thing to install. Everything belongs to root and has no date, so
//! that equal contents make equal archives.
//!
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// A file tree to be written as one archive.
///
/// Invariant: every directory on the way to an entry is an entry; paths have
/// neither a leading nor a trailing slash.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive(BTreeMap<String, Node>);

/// What lies at one path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Node {
    /// A directory with its permission bits.
    Directory(u32),
    /// A file with its permission bits.
    File(u32, Vec<u8>),
    /// A symbolic link and where it points.
    Link(String),
    /// A character device: permission bits, major and minor number.
    CharDevice(u32, u32, u32),
}

impl Archive {
    /// Puts `node` at `path`, in place of what was there, and makes the
    /// directories that lead to it. The root itself cannot be replaced.
    pub(super) fn insert(&mut self, path: &str, node: Node) {
        let path = path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert(Node::Directory(0o755));
        }
        if !path.is_empty() {
            self.0.insert(path, node);
        }
    }

    /// Writes the archive. A parent precedes what it holds, as the kernel needs it.
    ///
    /// # Errors
    ///
    /// Those of `to`; `InvalidInput` for a file of 4 GiB or more, which the format cannot hold.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        for (number, (path, node)) in (1..).zip(&self.0) {
            write_entry(to, number, path, node)?;
        }
        write_entry(to, 0, TRAILER, &Node::File(0, Vec::new()))
    }
}

fn write_entry(to: &mut impl Write, inode: u32, path: &str, node: &Node) -> io::Result<()> {
    let (mode, data, (major, minor)) = match node {
        Node::Directory(mode) => (S_IFDIR | mode, &[][..], (0, 0)),
        Node::File(mode, data) => (S_IFREG | mode, data.as_slice(), (0, 0)),
        Node::Link(target) => (S_IFLNK | 0o777, target.as_bytes(), (0, 0)),
        Node::CharDevice(mode, major, minor) => (S_IFCHR | mode, &[][..], (*major, *minor)),
    };
    let mode = if path == TRAILER { 0 } else { mode };
    let length = |len: usize| u32::try_from(len).map_err(|_| io::ErrorKind::InvalidInput);

    let [uid, gid, mtime, device_major, device_minor, checksum] = [0; 6];
    let links = 1;
    to.write_all(b"070701")?;
    for field in [
        inode,
        mode,
        uid,
        gid,
        links,
        mtime,
        length(data.len())?,
        device_major,
        device_minor,
        major,
        minor,
        length(path.len() + 1)?,
        checksum,
    ] {
        write!(to, "{field:08X}")?;
    }
    to.write_all(path.as_bytes())?;
    to.write_all(b"\0")?;
    pad(to, HEADER_LEN + path.len() + 1)?;
    to.write_all(data)?;
    pad(to, data.len())
}

/// Fills up to the next multiple of four.
fn pad(to: &mut impl Write, written: usize) -> io::Result<()> {
    to.write_all(&[0; 3][..(4 - written % 4) % 4])
}

const HEADER_LEN: usize = 6 + 13 * 8;
const TRAILER: &str = "TRAILER!!!";

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_byte_for_byte() {
        let mut archive = Archive::default();
        archive.insert("/a", Node::File(0o644, b"hello".to_vec()));
        let fields = "00000001000081A40000000000000000000000010000000000000005\
                      0000000000000000000000000000000000000002000000";
        let mut expected = format!("070701{fields}00a\0").into_bytes();
        assert_eq!(expected.len(), HEADER_LEN + 2);
        expected.extend(b"hello\0\0\0");

        let written = write(&archive);
        assert_eq!(String::from_utf8_lossy(&written[..expected.len()]), text(&expected));
        let trailer = &written[expected.len()..];
        assert!(trailer.ends_with(b"0000000B00000000TRAILER!!!\0\0\0\0"), "{}", text(trailer));
    }

    #[test]
    fn parents_come_first_and_entries_stay_aligned() {
        let mut archive = Archive::default();
        archive.insert("bin/sh", Node::Link("busybox".into()));
        archive.insert("/bin/busybox", Node::File(0o755, b"x".to_vec()));
        archive.insert("//dev//console", Node::CharDevice(0o600, 5, 1));
        archive.insert("bin-old/", Node::Directory(0o700));
        archive.insert("/", Node::Directory(0o777));

        assert_eq!(
            read(&write(&archive)),
            [
                ("bin", 0o040_755, (0, 0), ""),
                ("bin-old", 0o040_700, (0, 0), ""),
                ("bin/busybox", 0o100_755, (0, 0), "x"),
                ("bin/sh", 0o120_777, (0, 0), "busybox"),
                ("dev", 0o040_755, (0, 0), ""),
                ("dev/console", 0o020_600, (5, 1), ""),
                (TRAILER, 0, (0, 0), ""),
            ]
            .map(|(path, mode, device, data)| (path.into(), mode, device, data.into()))
        );
    }

    fn write(archive: &Archive) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        bytes
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Reads as the kernel does: each header at a multiple of four.
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, (u32, u32), String)> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            assert_eq!(&bytes[..6], b"070701");
            let field = |index: usize| {
                let digits = &bytes[6 + index * 8..][..8];
                u32::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            };
            let (name_len, data_len) = (field(11) as usize, field(6) as usize);
            let data_at = (HEADER_LEN + name_len).next_multiple_of(4);
            let name = text(&bytes[HEADER_LEN..][..name_len - 1]);
            let data = text(&bytes[data_at..][..data_len]);
            entries.push((name, field(1), (field(9), field(10)), data));
            bytes = &bytes[(data_at + data_len).next_multiple_of(4)..];
        }
        entries
    }
}
