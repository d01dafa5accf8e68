//! A container's part of a volume: found below the volume's root by descriptor, and handed on as a
//! mount of what was found.
//!
//! A container may write the volume while another one (or itself, started again) is given a path
//! in it. So the kernel resolves the path, once, and never leaves the root, whatever links are in
//! there or are put there meanwhile; what it found is what is mounted, and no path is looked up
//! again (CVE-2017-1002101, CVE-2021-25741).

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use stockade_sys::{Calls, Refused};

use super::sources::Opener;
use crate::fault::{Done, Fault};
use crate::site::VolumeRoot;

/// Opens a volume, or a path in it, as a mount that is attached nowhere.
pub(crate) fn open(volume: &VolumeRoot, sub_path: Option<&str>, opener: Opener) -> Done<OwnedFd> {
    let root = match opener {
        Opener::Host => volume.root.try_clone().map_err(|error| Fault::told(error.to_string()))?,
        Opener::Child => reopen(volume)?,
    };
    let place = match sub_path {
        None => root,
        Some(path) => below(&root, path)?,
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(&place, c"", flags).call("open_tree(volume)")?)
}

/// Opens the root again: only what is in our own mount namespace can be mounted by us. It must be
/// the very same.
fn reopen(volume: &VolumeRoot) -> Done<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, &volume.path, flags, Mode::empty()).call("openat(volume)")?;
    let (ours, held) = (fstat(&root).call("fstat")?, fstat(&volume.root).call("fstat")?);
    if (ours.st_dev, ours.st_ino) != (held.st_dev, held.st_ino) {
        let path = volume.path.display();
        return Err(Fault::told(format!("{path} is not the volume any more")));
    }
    Ok(root)
}

/// Finds a path below `root`; what is missing of it is made, as directories like the root.
pub(crate) fn below(root: &OwnedFd, path: &str) -> Done<OwnedFd> {
    match find(root, path) {
        Err(refused) if refused.errno == NOENT => {}
        found => return found.map_err(|refused| leads_out(refused, path)),
    }
    let mode = Mode::from_raw_mode(fstat(root).call("fstat")?.st_mode & 0o7777);
    let mut so_far = String::new();
    for name in path.split('/').filter(|it| !matches!(*it, "" | ".")) {
        let parent = if so_far.is_empty() { "." } else { so_far.as_str() };
        let parent = find(root, parent).map_err(|refused| leads_out(refused, path))?;
        match mkdirat(&parent, name, mode) {
            // Whatever our umask is.
            Ok(()) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(&parent, name, flags, Mode::empty()).call("openat(subPath)")?;
                fchmod(&made, mode).call("fchmod(subPath)")?;
            }
            // There already, or just put there; it is looked at with the next name.
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Refused::from_rustix("mkdirat(subPath)", errno).into()),
        }
        if !so_far.is_empty() {
            so_far.push('/');
        }
        so_far.push_str(name);
    }
    find(root, path).map_err(|refused| leads_out(refused, path))
}

fn find(root: impl AsFd, path: &str) -> Result<OwnedFd, Refused> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RETRIES {
        match openat2(&root, path, flags, Mode::empty(), resolve) {
            // Somebody renamed or mounted while the kernel looked at a `..` of a link.
            Err(Errno::AGAIN) => {}
            result => return result.call("openat2(RESOLVE_BENEATH)"),
        }
    }
    Err(Refused::from_rustix("openat2(RESOLVE_BENEATH)", Errno::AGAIN))
}

fn leads_out(refused: Refused, path: &str) -> Fault {
    if refused.errno == XDEV {
        return Fault::told(format!("subPath {path:?} leads out of its volume"));
    }
    refused.into()
}

const RETRIES: u32 = 128;
const NOENT: stockade_abi::Errno = stockade_abi::Errno(2);
const XDEV: stockade_abi::Errno = stockade_abi::Errno(18);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    fn volume(path: &Path) -> OwnedFd {
        OwnedFd::from(fs::File::open(path).unwrap())
    }

    #[test]
    fn a_path_stays_in_its_volume() {
        let all = tempfile::tempdir().unwrap();
        let (inside, canary) = (all.path().join("volume"), all.path().join("canary"));
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::create_dir(&canary).unwrap();
        fs::write(inside.join("file"), "").unwrap();
        for (target, name) in [
            ("/", "absolute"),
            ("../canary", "up"),
            ("a/../../canary", "around"),
            ("a/b", "inner"),
            ("/proc/self/root", "magic"),
            ("loop", "loop"),
            ("../canary/new", "dangling"),
        ] {
            symlink(target, inside.join(name)).unwrap();
        }
        for (path, expected) in [
            ("a/b", Some("a/b")),
            (".", Some("")),
            ("file", Some("file")),
            ("inner", Some("a/b")),
            ("new/deep//er", Some("new/deep/er")),
            ("inner/made", Some("a/b/made")),
            ("absolute", None),
            ("absolute/etc", None),
            ("up", None),
            ("up/made", None),
            ("around", None),
            ("magic", None),
            ("loop", None),
            ("dangling", None),
            ("dangling/x", None),
            ("file/x", None),
        ] {
            let found = below(&volume(&inside), path);
            let same = |it: &OwnedFd, at: &str| {
                let (it, at) = (fstat(it).unwrap(), rustix::fs::stat(inside.join(at)).unwrap());
                it.st_ino == at.st_ino
            };
            match expected {
                Some(at) => {
                    assert!(found.as_ref().is_ok_and(|it| same(it, at)), "{path}: {found:?}")
                }
                None => assert!(found.is_err(), "{path}"),
            }
        }
        assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_swapped_for_a_link_never_leads_out() {
        let all = tempfile::tempdir().unwrap();
        let (inside, canary) = (all.path().join("volume"), all.path().join("canary"));
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::create_dir(&canary).unwrap();
        symlink(&canary, inside.join("link")).unwrap();
        let outside = rustix::fs::stat(&canary).unwrap().st_ino;
        let root = volume(&inside);
        let done = AtomicBool::new(false);
        let (mut within, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                while !done.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(&root, "sub", &root, "link", flags).unwrap();
                }
            });
            // On a busy machine the other thread may be long in coming.
            let patience = Instant::now() + Duration::from_secs(60);
            for number in 0.. {
                let is_over = number >= 2000 && within > 0 && refused > 0;
                if is_over || Instant::now() > patience {
                    break;
                }
                match below(&root, &format!("sub/made{}", number % 7)) {
                    Ok(found) => {
                        assert_ne!(fstat(&found).unwrap().st_ino, outside);
                        within += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(fs::read_dir(&canary).unwrap().count(), 0, "{within} within, {refused} refused");
        assert!(within > 0 && refused > 0, "{within} within, {refused} refused: no race was run");
    }
}
