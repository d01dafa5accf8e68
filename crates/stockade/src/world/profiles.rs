//! Seccomp profiles on the node, by the names that manifests use.
//!
//! A name is a path below the profile root, as in Kubernetes; `chmod` also finds `chmod.json`. It
//! may be a symbolic link, but nothing outside of the root is ever read, whatever a name or a link
//! says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use stockade_confine::world::ProfileFile;

/// Reads each profile, or says why it cannot be read.
pub(super) fn load(
    root: &Path,
    names: &BTreeSet<String>,
) -> BTreeMap<String, Result<ProfileFile, String>> {
    names.iter().map(|name| (name.clone(), read(root, name))).collect()
}

fn read(root: &Path, name: &str) -> Result<ProfileFile, String> {
    let is_plain = |it: Component<'_>| matches!(it, Component::Normal(_));
    if name.contains('\0') || !Path::new(name).components().all(is_plain) {
        return Err(format!("{name:?} must be a relative path without `..`"));
    }
    let open = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, root, open, Mode::empty()).map_err(|errno| {
        format!(
            "the profile root {} cannot be opened: {}; make it, or name another one with \
             --seccomp-profile-root",
            root.display(),
            words(errno)
        )
    })?;
    for candidate in [name.to_owned(), format!("{name}.json")] {
        let path = root.join(&candidate).display().to_string();
        match open_beneath(&directory, &candidate) {
            Ok(file) => {
                let text = text(file).map_err(|why| format!("{path} {why}"))?;
                return Ok(ProfileFile { path, text });
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(Errno::XDEV) => return Err(format!("{path} leads out of {}", root.display())),
            Err(errno) => return Err(format!("{path} cannot be opened: {}", words(errno))),
        }
    }
    let path = root.join(name).display().to_string();
    Err(format!("there is neither {path} nor {path}.json"))
}

fn open_beneath(directory: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    // A FIFO must not hold us up.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        // EAGAIN: something was renamed while the kernel looked for `..` in a link.
        match openat2(directory, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

fn text(file: OwnedFd) -> Result<String, String> {
    let stat = fstat(&file).map_err(words)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::from(file).take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST {
        return Err(format!("is larger than {} MiB", MOST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn words(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}

const MOST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn profiles_are_found_with_and_without_suffix_and_only_below_the_root() {
        let base = std::env::temp_dir().join(format!("stockade-profiles-{}", std::process::id()));
        let root = base.join("root");
        fs::create_dir_all(root.join("team/dir")).unwrap();
        fs::write(base.join("outside.json"), "stolen").unwrap();
        for name in ["chmod.json", "plain", "both", "both.json", "team/x.json"] {
            fs::write(root.join(name), name).unwrap();
        }
        symlink("plain", root.join("link")).unwrap();
        symlink("../outside.json", root.join("up")).unwrap();
        symlink(base.join("outside.json"), root.join("absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        fs::write(root.join("large"), vec![b' '; (4 << 20) + 1]).unwrap();
        fs::write(root.join("latin"), b"\xff").unwrap();
        for (name, expected) in [
            ("chmod", Ok("chmod.json")),
            ("chmod.json", Ok("chmod.json")),
            ("plain", Ok("plain")),
            ("both", Ok("both")),
            ("team/x", Ok("team/x.json")),
            ("link", Ok("plain")),
            ("missing", Err("there is neither ")),
            ("plain/x", Err("there is neither ")),
            ("team/dir", Err("is not a regular file")),
            ("up", Err("leads out of")),
            ("absolute", Err("leads out of")),
            ("loop", Err("cannot be opened")),
            ("../outside.json", Err("without `..`")),
            ("team/../plain", Err("without `..`")),
            ("/etc/passwd", Err("without `..`")),
            ("a\0b", Err("relative path")),
            ("large", Err("larger than 4 MiB")),
            ("latin", Err("not UTF-8")),
        ] {
            match (read(&root, name), expected) {
                (Ok(file), Ok(text)) => assert_eq!(file.text, text, "{name}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{name}: {why}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        let missing = read(&base.join("none"), "x").unwrap_err();
        assert!(missing.contains("--seccomp-profile-root"), "{missing}");
        fs::remove_dir_all(&base).unwrap();
    }
}
