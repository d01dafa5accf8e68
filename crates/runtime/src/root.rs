//! A container's root directory, and the only way to a path in it.
//!
//! The kernel resolves every path with the root as `/`: `..` stops there and absolute links begin
//! there (`RESOLVE_IN_ROOT`). What is missing is made one component at a time, in a directory that
//! is held by descriptor. The result is a descriptor, on which the caller acts; a path is never
//! resolved twice for one decision (CVE-2021-30465, CVE-2024-45310).
//!
//! # Kernel
//!
//! Linux 5.6, openat2(2).

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, mkdirat, mknodat, openat2, readlinkat};
use rustix::io::Errno;
use stockade_sys::fs::FsMagic;
use stockade_sys::{Calls, Refused};

use crate::fault::{Done, Fault};

/// The root directory of a container.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

/// What a missing path becomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaf {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

/// What happens at a symbolic link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Links {
    /// It is followed inside the root. Those of `/proc` that lead anywhere are refused.
    Inside,
    /// It is refused.
    Refused,
}

impl Root {
    pub(crate) const fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// Opens what is at `path`, as a location only (`O_PATH`).
    pub(crate) fn find(&self, path: &str, links: Links) -> Result<OwnedFd, Refused> {
        let links = match links {
            Links::Inside => ResolveFlags::NO_MAGICLINKS,
            Links::Refused => ResolveFlags::NO_SYMLINKS,
        };
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        for _ in 0..RETRIES {
            let path = if path.is_empty() { "/" } else { path };
            match openat2(&self.0, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | links) {
                // Somebody renamed or mounted while the kernel looked at a `..`.
                Err(Errno::AGAIN) => {}
                result => return result.call("openat2(RESOLVE_IN_ROOT)"),
            }
        }
        Err(Refused::from_rustix("openat2(RESOLVE_IN_ROOT)", Errno::AGAIN))
    }

    /// Opens what is at `path`; what is missing of it is made, owned by us, directories with mode
    /// 0755. (The child's umask is 0.)
    pub(crate) fn make(&self, path: &str, leaf: Leaf, links: Links) -> Done<OwnedFd> {
        match self.find(path, links) {
            Err(refused) if refused.errno == NOENT => {}
            result => return Ok(result?),
        }

        let mut rest: VecDeque<String> = components(path).map(str::to_owned).collect();
        let mut made = String::new();
        let mut links_left = MAX_LINKS;
        // The usual case is that only the last component is missing.
        if let Some(last) = rest.pop_back() {
            let parent = rest.iter().fold(String::new(), |so_far, it| so_far + "/" + it);
            match self.find(&parent, links) {
                Ok(directory) => match make_one(&directory, &last, leaf) {
                    Ok(()) => return Ok(open_made(&directory, &last)?),
                    Err(refused) if refused.errno == EXIST => {
                        (made, rest) = (parent, VecDeque::from([last]));
                    }
                    Err(refused) => return Err(refused.into()),
                },
                Err(refused) if refused.errno == NOENT => rest.push_back(last),
                Err(refused) => return Err(refused.into()),
            }
        }

        while let Some(component) = rest.pop_front() {
            let next = format!("{made}/{component}");
            match self.find(&next, links) {
                Ok(_) => {
                    made = next;
                    continue;
                }
                Err(refused) if refused.errno == NOENT => {}
                Err(refused) => return Err(refused.into()),
            }
            let kind = if rest.is_empty() { leaf } else { Leaf::Directory };
            let parent = self.find(&made, links)?;
            match make_one(&parent, &component, kind) {
                Ok(()) => made = next,
                Err(refused) if refused.errno == EXIST => {
                    // The text of a magic link is no path, and its target is none of the image's
                    // business: our own descriptor may have got the number that was asked for.
                    if FsMagic::of(&parent)? == FsMagic::PROC {
                        return Err(Fault::told(format!("{next} is a link of procfs")));
                    }
                    // A link to nowhere (or a race, which then ends here): go where it points.
                    if links == Links::Refused || links_left == 0 {
                        return Err(Refused::from_rustix("openat2", Errno::LOOP).into());
                    }
                    links_left -= 1;
                    let target =
                        readlinkat(&parent, component.as_str(), Vec::new()).call("readlinkat")?;
                    let target = target
                        .to_str()
                        .map_err(|_| Fault::told(format!("the link {next} is not UTF-8")))?;
                    if target.starts_with('/') {
                        made.clear();
                    }
                    for component in components(target).rev() {
                        rest.push_front(component.to_owned());
                    }
                }
                Err(refused) => return Err(refused.into()),
            }
        }
        Ok(self.find(&made, links)?)
    }

    /// Opens the directory that `path` is in, which is made if it is missing, and splits off the
    /// name in it.
    pub(crate) fn parent<'p>(&self, path: &'p str) -> Done<(OwnedFd, &'p str)> {
        let (parent, name) = Self::split(path)?;
        Ok((self.make(parent, Leaf::Directory, Links::Inside)?, name))
    }

    /// Splits a path into its directory and the name in it.
    pub(crate) fn split(path: &str) -> Done<(&str, &str)> {
        let (parent, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() || name == "." || name == ".." {
            return Err(Fault::told(format!("`{path}` does not end in a name")));
        }
        Ok((parent, name))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens what was just made: it, and nothing that has been put in its place since and leads on.
fn open_made(directory: &OwnedFd, name: &str) -> Result<OwnedFd, Refused> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(directory, name, flags, Mode::empty(), resolve).call("openat2")
}

fn make_one(parent: &OwnedFd, name: &str, kind: Leaf) -> Result<(), Refused> {
    match kind {
        Leaf::Directory => mkdirat(parent, name, Mode::from_raw_mode(0o755)).call("mkdirat"),
        Leaf::File => {
            let mode = Mode::from_raw_mode(0o644);
            mknodat(parent, name, FileType::RegularFile, mode, 0).call("mknodat")
        }
    }
}

/// The names in a path. `..` stays: the kernel knows what it means.
fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|it| !it.is_empty() && *it != ".")
}

/// As many as the kernel follows.
const MAX_LINKS: u32 = 40;
const RETRIES: u32 = 128;
const NOENT: stockade_abi::Errno = stockade_abi::Errno(2);
const EXIST: stockade_abi::Errno = stockade_abi::Errno(17);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn missing_paths_are_made_inside_whatever_the_links_say() {
        let all = tempfile::tempdir().unwrap();
        let canary = all.path().join("canary");
        let inside = all.path().join("root");
        fs::create_dir(&canary).unwrap();
        for (path, link, shows) in [
            ("/a/b/c", None, "a/b/c"),
            ("/../../canary/x", None, "canary/x"),
            ("/lnk/sub", Some(canary.to_str().unwrap().to_owned()), "sub"),
            ("/lnk/sub", Some("../../canary".to_owned()), "canary/sub"),
            ("/./x//../y", None, "x"),
        ] {
            fs::create_dir(&inside).unwrap();
            if let Some(target) = &link {
                symlink(target, inside.join("lnk")).unwrap();
            }
            let root = Root::new(OwnedFd::from(fs::File::open(&inside).unwrap()));
            // A link to the canary's full path makes that path inside the root.
            let made = root.make(path, Leaf::Directory, Links::Inside);
            assert!(made.is_ok(), "{path} {link:?}: {made:?}");
            let expected = match &link {
                Some(target) if target.starts_with('/') => {
                    inside.join(target.trim_start_matches('/')).join(shows)
                }
                _ => inside.join(shows),
            };
            assert!(expected.is_dir(), "{path} {link:?}: no {expected:?}");
            assert_eq!(fs::read_dir(&canary).unwrap().count(), 0, "{path} {link:?}");
            fs::remove_dir_all(&inside).unwrap();
        }
    }

    #[test]
    fn links_are_refused_where_that_is_asked() {
        let all = tempfile::tempdir().unwrap();
        fs::create_dir(all.path().join("evil")).unwrap();
        symlink("/evil", all.path().join("proc")).unwrap();
        symlink("/nowhere", all.path().join("sys")).unwrap();
        let root = Root::new(OwnedFd::from(fs::File::open(all.path()).unwrap()));
        for path in ["/proc", "/proc/x", "/sys", "/sys/x"] {
            assert!(root.make(path, Leaf::Directory, Links::Refused).is_err(), "{path}");
        }
        assert!(!all.path().join("nowhere").exists());
        symlink("loop", all.path().join("loop")).unwrap();
        assert!(root.make("/loop/x", Leaf::Directory, Links::Inside).is_err());
    }
}
