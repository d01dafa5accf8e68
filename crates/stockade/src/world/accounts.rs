//! `/etc/passwd` and `/etc/group` of an image, for `USER` names and supplementary groups.
//!
//! Read from the layers themselves, before anything is mounted. An image may be hostile: no
//! symbolic link is followed, nothing but a regular file is read, and only so much of it. A file
//! that is a link, or that a whiteout or an opaque directory hides, counts as none: an account that
//! is then not found is refused by name, whereas a wrong one would be run as.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fgetxattr, fstat, openat2};
use rustix::io::Errno;

/// Reads `etc/<name>` as the topmost layer that has a say has it.
pub(super) fn read(layers: &[PathBuf], name: &str) -> Option<String> {
    for layer in layers.iter().rev() {
        match look(layer, name) {
            Layer::Has(text) => return Some(text),
            Layer::Hides => return None,
            Layer::Silent => {}
        }
    }
    None
}

/// What a layer says about a file.
enum Layer {
    /// This is its content.
    Has(String),
    /// It is not to be seen, or cannot be read.
    Hides,
    /// Nothing.
    Silent,
}

fn look(layer: &PathBuf, name: &str) -> Layer {
    let beneath = |directory: &dyn AsFd, path: &str, flags| {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        openat2(directory.as_fd(), path, flags, Mode::empty(), resolve)
    };
    let root = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::openat(CWD, layer, root, Mode::empty()) else {
        return Layer::Hides;
    };
    let etc = match beneath(&root, "etc", OFlags::DIRECTORY) {
        Ok(etc) => etc,
        Err(Errno::NOENT) => return Layer::Silent,
        Err(_) => return Layer::Hides,
    };
    match beneath(&etc, name, OFlags::empty()) {
        Ok(file) => text(file).map_or(Layer::Hides, Layer::Has),
        Err(Errno::NOENT) if !is_opaque(&etc) => Layer::Silent,
        // A whiteout is a device that cannot be opened.
        Err(_) => Layer::Hides,
    }
}

fn is_opaque(directory: &OwnedFd) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|name| {
        let mut value = [0_u8; 1];
        fgetxattr(directory, *name, &mut value[..]).is_ok_and(|_| value == *b"y")
    })
}

fn text(file: OwnedFd) -> Option<String> {
    let stat = fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(file).take(MOST + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > MOST {
        return None;
    }
    // Names that are not UTF-8 match no name of a manifest; the rest of the file still counts.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

const MOST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_topmost_layer_that_has_a_say_decides() {
        let base = std::env::temp_dir().join(format!("stockade-accounts-{}", std::process::id()));
        let layer = |name: &str, make: &dyn Fn(PathBuf)| {
            let path = base.join(name);
            fs::create_dir_all(&path).unwrap();
            make(path.clone());
            path
        };
        fs::create_dir_all(&base).unwrap();
        fs::write(base.join("secret"), "stolen").unwrap();
        let with = |text: &'static str| {
            move |path: PathBuf| {
                fs::create_dir_all(path.join("etc")).unwrap();
                fs::write(path.join("etc/passwd"), text).unwrap();
            }
        };
        let one = layer("one", &with("one"));
        let two = layer("two", &with("two"));
        let silent = layer("silent", &|path| fs::create_dir_all(path.join("etc")).unwrap());
        let empty = layer("empty", &|_| {});
        let link = layer("link", &|path| {
            fs::create_dir_all(path.join("etc")).unwrap();
            symlink("../../secret", path.join("etc/passwd")).unwrap();
        });
        let absolute = layer("absolute", &|path| {
            fs::create_dir_all(path.join("etc")).unwrap();
            symlink(base.join("secret"), path.join("etc/passwd")).unwrap();
        });
        let etc_link = layer("etc-link", &|path| symlink("../two/etc", path.join("etc")).unwrap());
        let directory =
            layer("directory", &|path| fs::create_dir_all(path.join("etc/passwd")).unwrap());
        let large = layer("large", &|path| {
            fs::create_dir_all(path.join("etc")).unwrap();
            fs::write(path.join("etc/passwd"), "x".repeat((1 << 20) + 1)).unwrap();
        });
        let whiteout = layer("whiteout", &|path| fs::write(path.join("etc"), "").unwrap());
        for (layers, expected) in [
            (vec![&one, &two], Some("two")),
            (vec![&two, &one], Some("one")),
            (vec![&one, &silent, &empty], Some("one")),
            (vec![&silent], None),
            (vec![&one, &link], None),
            (vec![&one, &absolute], None),
            (vec![&one, &etc_link], None),
            (vec![&one, &directory], None),
            (vec![&one, &large], None),
            (vec![&one, &whiteout], None),
            (vec![&whiteout, &one], Some("one")),
        ] {
            let paths: Vec<PathBuf> = layers.iter().map(|it| (*it).clone()).collect();
            assert_eq!(read(&paths, "passwd").as_deref(), expected, "{layers:?}");
        }
        fs::remove_dir_all(&base).unwrap();
    }
}
