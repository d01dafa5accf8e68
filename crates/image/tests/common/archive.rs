//! Tar archives made by hand, so that they can be wrong in every way.

#![allow(dead_code, reason = "each test target uses some of it")]

/// One entry: a header and what follows it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) type_flag: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: u64,
    pub(crate) device: (u64, u64),
    pub(crate) content: Vec<u8>,
    /// What the header says, if that is not the length of the content.
    pub(crate) size: Option<u64>,
    /// Written over the finished header, before its checksum.
    pub(crate) patches: Vec<(usize, Vec<u8>)>,
}

impl Item {
    pub(crate) fn new(type_flag: u8, name: impl AsRef<[u8]>) -> Self {
        Self {
            type_flag,
            name: name.as_ref().to_vec(),
            link: Vec::new(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 1_000_000_000,
            device: (0, 0),
            content: Vec::new(),
            size: None,
            patches: Vec::new(),
        }
    }

    pub(crate) fn mode(self, mode: u64) -> Self {
        Self { mode, ..self }
    }

    pub(crate) fn owner(self, uid: u64, gid: u64) -> Self {
        Self { uid, gid, ..self }
    }

    pub(crate) fn patch(mut self, at: usize, bytes: &[u8]) -> Self {
        self.patches.push((at, bytes.to_vec()));
        self
    }

    fn write(&self, archive: &mut Vec<u8>) {
        if self.name.len() > 100 {
            let content = [&self.name[..], &[0]].concat();
            Self { content, ..Self::new(b'L', "././@LongLink") }.write(archive);
        }
        if self.link.len() > 100 {
            let content = [&self.link[..], &[0]].concat();
            Self { content, ..Self::new(b'K', "././@LongLink") }.write(archive);
        }
        let mut header = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, octal(self.mode, 7).as_bytes());
        put(108, &number(self.uid, 8));
        put(116, &number(self.gid, 8));
        put(124, &number(self.size.unwrap_or(self.content.len() as u64), 12));
        put(136, &number(self.mtime, 12));
        put(156, &[self.type_flag]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, b"ustar  \0");
        put(329, octal(self.device.0, 7).as_bytes());
        put(337, octal(self.device.1, 7).as_bytes());
        for (at, bytes) in &self.patches {
            put(*at, bytes);
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        header[154] = 0;
        archive.extend(header);
        archive.extend(&self.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
}

pub(crate) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Item {
    Item { content: content.as_ref().to_vec(), ..Item::new(b'0', name) }
}

pub(crate) fn dir(name: impl AsRef<[u8]>) -> Item {
    Item::new(b'5', name).mode(0o755)
}

pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item { link: target.as_ref().to_vec(), ..Item::new(b'2', name) }
}

pub(crate) fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item { link: target.as_ref().to_vec(), ..Item::new(b'1', name) }
}

pub(crate) fn device(type_flag: u8, name: impl AsRef<[u8]>, major: u64, minor: u64) -> Item {
    Item { device: (major, minor), ..Item::new(type_flag, name) }
}

/// A pax header for the entry after it.
pub(crate) fn pax(records: &[(&str, &[u8])]) -> Item {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        content.extend(format!("{length} {key}=").bytes());
        content.extend(*value);
        content.push(b'\n');
    }
    Item { content, ..Item::new(b'x', "pax") }
}

/// The whole archive, with the zeros at its end.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    let mut archive = unfinished(items);
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// The archive without an end.
pub(crate) fn unfinished(items: &[Item]) -> Vec<u8> {
    let mut archive = Vec::new();
    for item in items {
        item.write(&mut archive);
    }
    archive
}

fn octal(number: u64, width: usize) -> String {
    format!("{number:0width$o}\0")
}

/// Octal, or base 256 where that is too short.
fn number(number: u64, width: usize) -> Vec<u8> {
    let text = octal(number, width - 1);
    if text.len() <= width {
        return text.into_bytes();
    }
    let mut bytes = vec![0; width];
    bytes[width - 8..].copy_from_slice(&number.to_be_bytes());
    bytes[0] |= 0x80;
    bytes
}
