//! Images that the program makes of itself, so that something runs without a registry.
//!
//! The layer is made once and found again by what it was made from: a file's device, inode, size
//! and times stand for its content, because reading tens of megabytes at every start would cost
//! more than the start. An upgraded program has another inode or time, and gets a new layer.
//!
//! Files are copied (where the file system can, without copying the blocks) and never hard-linked:
//! a link would make the container's file the very file of the host, with its mode, owner and
//! attributes, and who writes to one writes to the other.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use serde::{Deserialize, Serialize};

use crate::config::ConfigFile;
use crate::digest::Digesting;
use crate::store::{Sync, Work, write_durably};
use crate::tar::{Entry, EntryKind, Time};
use crate::unpack::Builder;
use crate::wire::Platform;
use crate::{Digest, Error, Image, ImageConfig, Reference, Store};

/// One file of a built-in image, owned by root. Directories on its way need not be listed.
#[derive(Clone, Debug)]
pub struct BuiltinFile {
    /// Where it is in the image.
    pub path: String,
    /// What it is.
    pub kind: BuiltinKind,
}

/// What a [`BuiltinFile`] is.
#[derive(Clone, Debug)]
pub enum BuiltinKind {
    /// A copy of a file of this machine; `/proc/self/exe` is this program.
    File {
        /// The file to copy.
        source: PathBuf,
        /// The copy's mode.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads.
        target: String,
    },
    /// A directory.
    Dir {
        /// Its mode.
        mode: u32,
    },
    /// A file with this content.
    Text {
        /// The content.
        content: Vec<u8>,
        /// Its mode.
        mode: u32,
    },
}

/// What the image was made from, and what became of it.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Marker {
    made_from: Digest,
    config: Digest,
}

impl Store {
    /// Returns the image `reference`, made of `files` and `config`: the one that is there, if it
    /// was made of the same, or a new one. Architecture and system are filled in.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be read or written; [`Error::Unpack`] if a path is not one
    /// that a layer may have.
    pub fn ensure_builtin(
        &self,
        reference: &Reference,
        files: &[BuiltinFile],
        config: &ImageConfig,
    ) -> Result<Image, Error> {
        let host = Platform::host();
        let config = ImageConfig { architecture: host.architecture, os: host.os, ..config.clone() };
        let made_from = fingerprint(files, &config)?;
        let name = Digest::of(reference.to_string().as_bytes()).short();
        let path = self.files().path(&["builtin", &format!("{name}.json")]);

        if let Some(marker) = read_marker(&path)
            && marker.made_from == made_from
            // A damaged image is made anew, for everything to do so is here.
            && let Ok(Some(image)) = self.find(reference)
            && image.config_digest == marker.config
        {
            return Ok(image);
        }

        let mut work = Work::begin(self)?;
        let diff_id = content_digest(files)?;
        if work.lacks(&diff_id)? {
            make(&mut work, &diff_id, files)?;
        }
        let text = serde_json::to_vec(&ConfigFile::new(&config, vec![diff_id]))
            .map_err(Error::malformed("the configuration of a built-in image"))?;
        let marker = Marker { made_from, config: Digest::of(&text) };
        work.commit(std::slice::from_ref(reference), &text, &[], &[diff_id], Sync::Done)?;

        let marker = serde_json::to_vec(&marker).map_err(Error::malformed("a marker"))?;
        let new = work.scratch("marker");
        write_durably(&new, &marker)?;
        fs::rename(&new, &path).map_err(Error::io("rename", &new))?;
        self.get(reference)
    }
}

/// A marker that cannot be read is as good as none.
fn read_marker(path: &std::path::Path) -> Option<Marker> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Returns a digest that changes whenever the image could come out differently.
fn fingerprint(files: &[BuiltinFile], config: &ImageConfig) -> Result<Digest, Error> {
    let config = serde_json::to_string(&ConfigFile::new(config, Vec::new()))
        .map_err(Error::malformed("the configuration of a built-in image"))?;
    let identity = |source: &PathBuf| {
        let found = fs::metadata(source).map_err(Error::io("look at", source))?;
        Ok(format!(
            "{}:{} {} {}.{} {}.{}",
            found.dev(),
            found.ino(),
            found.len(),
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
        ))
    };
    Ok(Digest::of(format!("{config}\n{}", describe(files, identity)?).as_bytes()))
}

/// Returns the digest of what is in the image, which stands for the layer's diff id.
fn content_digest(files: &[BuiltinFile]) -> Result<Digest, Error> {
    let content = |source: &PathBuf| {
        let file = File::open(source).map_err(Error::io("open", source))?;
        let (digest, _) =
            Digesting::new(file, u64::MAX).finish().map_err(Error::io("read", source))?;
        Ok(digest.to_string())
    };
    Ok(Digest::of(describe(files, content)?.as_bytes()))
}

/// Writes down what the layer is made of, one line for each file; `source` says what stands for the
/// content of a file of this machine.
fn describe(
    files: &[BuiltinFile],
    source: impl Fn(&PathBuf) -> Result<String, Error>,
) -> Result<String, Error> {
    let mut text = "stockade built-in layer, version 1\n".to_owned();
    for BuiltinFile { path, kind } in files {
        // Debug quotes strings, so that no path or target can look like another line.
        let line = match kind {
            BuiltinKind::File { source: from, mode } => {
                format!("{path:?} file {mode:o} {}\n", source(from)?)
            }
            BuiltinKind::Symlink { target } => format!("{path:?} symlink {target:?}\n"),
            BuiltinKind::Dir { mode } => format!("{path:?} directory {mode:o}\n"),
            BuiltinKind::Text { content, mode } => {
                format!("{path:?} text {mode:o} {}\n", Digest::of(content))
            }
        };
        text.push_str(&line);
    }
    Ok(text)
}

fn make(work: &mut Work<'_>, diff_id: &Digest, files: &[BuiltinFile]) -> Result<(), Error> {
    let layer = || diff_id.to_string();
    let into = work.layer_directory(diff_id)?;
    let again = into.try_clone().map_err(Error::io("open", &work.scratch("")))?;
    let mut builder = Builder::new(into, work.ownership());
    for BuiltinFile { path, kind } in files {
        let entry = |kind, mode: u32, size| Entry {
            path: path.as_bytes().to_vec(),
            link: Vec::new(),
            kind,
            mode: mode.into(),
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            size,
            stored: size,
            sparse: None,
            xattrs: Vec::new(),
        };
        let made = match kind {
            BuiltinKind::Dir { mode } => {
                builder.add(&entry(EntryKind::Directory, *mode, 0), &mut io::empty())
            }
            BuiltinKind::Symlink { target } => {
                let link = target.as_bytes().to_vec();
                let entry = Entry { link, ..entry(EntryKind::Symlink, 0o777, 0) };
                builder.add(&entry, &mut io::empty())
            }
            BuiltinKind::Text { content, mode } => {
                let size = content.len() as u64;
                builder.add(&entry(EntryKind::File, *mode, size), &mut content.as_slice())
            }
            BuiltinKind::File { source, mode } => {
                let mut file = File::open(source).map_err(Error::io("open", source))?;
                let size = file.metadata().map_err(Error::io("look at", source))?.len();
                // From file to file this is copy_file_range(2), which shares blocks if it can.
                builder.add(&entry(EntryKind::File, *mode, size), &mut file)
            }
        };
        made.map_err(|source| Error::Unpack { layer: layer(), source })?;
    }
    let report = builder.finish().map_err(|source| Error::Unpack { layer: layer(), source })?;
    write_to_disk(&again, files)?;
    work.stage(diff_id, report)
}

/// Writes the files to disk, and not the whole file system as other layers do: the first start of
/// all would wait for whatever else this machine is writing.
fn write_to_disk(layer: &OwnedFd, files: &[BuiltinFile]) -> Result<(), Error> {
    for BuiltinFile { path, kind } in files {
        if matches!(kind, BuiltinKind::File { .. } | BuiltinKind::Text { .. }) {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
            rustix::fs::openat2(layer, path, flags, Mode::empty(), resolve)
                .and_then(rustix::fs::fsync)
                .map_err(Error::errno("write to disk", path.as_ref()))?;
        }
    }
    rustix::fs::fsync(layer).map_err(Error::errno("write to disk", "/".as_ref()))
}
