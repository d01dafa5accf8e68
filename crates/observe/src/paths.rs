//! What a process can do to the paths that confinement guards.
//!
//! Decided by the mount that a path leads to in the process's root: an empty read-only tmpfs or the
//! null device mounted on the very path is a mask, a read-only mount protects, everything else can
//! be written as permissions say.
//!
//! The path belongs to the container, which may have put a file system there whose server never
//! answers. So no file is opened but an empty directory of a tmpfs, and the kernel is first asked
//! to find the path in what it has cached, which cannot block. Below a mount point that was found
//! that way and belongs to a file system of the kernel's own nothing can block either, nor can the
//! one step from there onto another such file system. What is left is asked in a child with a
//! deadline.
//!
//! # Kernel
//!
//! Linux 5.8 (`STATX_MNT_ID`); from 5.12 on (`RESOLVE_CACHED`) the child is rarely needed.

mod seen;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use stockade_abi::facts::{MountAccess, PathAccess, SeenMount};
use stockade_abi::{NamespaceSet, Reading, Why};

use self::seen::{Kind, Place, Seen, is_empty, look};
use crate::bounded::{self, Answer};
use crate::file::{self, words};
use crate::mountinfo::{Mount, MountTable};
use crate::subject::Subject;

/// The root directory of a process, as a place to look from.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    mount: u64,
}

impl Root {
    /// Opens the root directory, which needs the right to trace the process.
    pub(crate) fn open(subject: &Subject) -> Result<Self, Why> {
        let dir = file::open_path(subject.dir(), b"root")?;
        let mount = look(dir.as_fd()).map_err(|it| Why(format!("root: {}", words(it))))?.mount;
        Ok(Self { dir, mount })
    }
}

/// What the mount of the root directory lets its users do.
pub(crate) fn root_access(
    root: &Result<Root, Why>,
    table: &Result<MountTable, Why>,
) -> Result<MountAccess, Why> {
    let table = table.as_ref().map_err(Why::clone)?;
    let mount = match root {
        Ok(root) => table.by_id(root.mount),
        Err(_) => table.top_of_root(),
    };
    let why = "the root directory of the process is not the top of a mount";
    mount.map(|it| it.access).ok_or_else(|| Why(why.to_owned()))
}

/// What can be done to each of the paths.
pub(crate) fn read(
    root: &Result<Root, Why>,
    table: &Result<MountTable, Why>,
    asked: &[String],
) -> BTreeMap<String, Reading<PathAccess>> {
    look_at(root, table, asked, |view, path, seen| view.access(path, seen))
}

/// The mount that begins at each of the paths; `None` if none does.
pub(crate) fn mounts(
    root: &Result<Root, Why>,
    table: &Result<MountTable, Why>,
    asked: &[String],
) -> BTreeMap<String, Reading<Option<SeenMount>>> {
    look_at(root, table, asked, |view, path, seen| view.mount_at(path, seen))
}

/// Looks at each of the paths, without blocking where that is possible, and judges what is seen.
fn look_at<T>(
    root: &Result<Root, Why>,
    table: &Result<MountTable, Why>,
    asked: &[String],
    judge: impl Fn(&View<'_>, &str, Seen) -> Result<T, Why>,
) -> BTreeMap<String, Reading<T>> {
    let view = match (root, table) {
        (Ok(root), Ok(table)) => table
            .by_id(root.mount)
            .map(|mount| View { root, mount, table, beginnings: RefCell::default() })
            .ok_or_else(|| Why("the process's root is below no mount of its own".to_owned())),
        (Err(why), _) | (_, Err(why)) => Err(why.clone()),
    };
    let mut found = BTreeMap::new();
    let mut slow = Vec::new();
    for path in asked {
        let quick = view.as_ref().map_err(Why::clone).and_then(|view| view.quick(path));
        match quick {
            Ok(None) => slow.push(path),
            Ok(Some(seen)) => found.extend([(path.clone(), Ok(seen))]),
            Err(why) => found.extend([(path.clone(), Err(why))]),
        }
    }
    if let (Ok(view), false) = (&view, slow.is_empty()) {
        let answers = bounded::ask(slow.len(), NamespaceSet::EMPTY, |answers| {
            for path in &slow {
                answers.send(&view.slow(path).map(Seen::to_bytes));
            }
        });
        let seen = answers.into_iter().map(|it: Answer| it.and_then(|it| Seen::from_bytes(&it)));
        found.extend(slow.into_iter().cloned().zip(seen));
    }
    let judged = |(path, seen): (String, Result<Seen, Why>)| {
        let view = view.as_ref().map_err(Why::clone);
        let found = seen.and_then(|it| judge(view?, &path, it));
        (path, found.into())
    };
    found.into_iter().map(judged).collect()
}

/// A process's root, its mount and what can be reached from it.
struct View<'a> {
    root: &'a Root,
    mount: &'a Mount,
    table: &'a MountTable,
    /// Where mounts begin that were found, since most paths are below the same few.
    beginnings: RefCell<BTreeMap<u64, Rc<OwnedFd>>>,
}

impl View<'_> {
    /// Looks without a chance of blocking; `None` if that is not possible.
    fn quick(&self, path: &str) -> Result<Option<Seen>, Why> {
        let relative = relative(path)?;
        let path = format!("/{relative}");
        let (mount, below) = self.split(&path);
        let opened = match (is_kernels_own(mount), below, path.rsplit_once('/')) {
            (true, "", Some((parent, name))) if !parent.is_empty() => self.opened_on(parent, name),
            (true, below, _) if !below.is_empty() => self.opened_below(mount, below),
            _ => self.cached(relative),
        };
        match opened {
            Ok(fd) => self.found(fd.as_fd()).map(Some),
            Err(Errno::NOENT) => Ok(Some(Seen::ABSENT)),
            // Not cached, a symbolic link, or Linux before 5.12.
            Err(_) => Ok(None),
        }
    }

    /// The mount that a path leads to, and the rest of the path in it.
    fn split<'p>(&self, path: &'p str) -> (&Mount, &'p str) {
        let mount = self.table.covering(self.mount, path.as_bytes());
        let point = str::from_utf8(&mount.point).unwrap_or_default();
        let below = path.strip_prefix(point).unwrap_or_default();
        (mount, below.strip_prefix('/').unwrap_or(below))
    }

    /// Opens what is mounted on `name` in a directory of a file system of the kernel's own. Such a
    /// file system likes to be asked about what is cached, too (procfs and sysfs do), so the walk
    /// goes below the beginning of its mount; only the last step leads onto the other mount.
    fn opened_on(&self, parent: &str, name: &str) -> Result<OwnedFd, Errno> {
        let (outer, below) = self.split(parent);
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match (is_kernels_own(outer), below) {
            (false, _) => self.cached(format!("{parent}/{name}").trim_start_matches('/')),
            (true, "") => openat2(&self.beginning(outer)?, name, PATH_ONLY, Mode::empty(), resolve),
            (true, below) => {
                let dir = self.opened_below(outer, below).map_err(not_absent)?;
                openat2(&dir, name, PATH_ONLY, Mode::empty(), resolve)
            }
        }
    }

    /// Opens what is below the mount point of a file system of the kernel's own.
    fn opened_below(&self, mount: &Mount, below: &str) -> Result<OwnedFd, Errno> {
        let dir = self.beginning(mount)?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        openat2(&dir, below, PATH_ONLY, Mode::empty(), resolve)
    }

    /// Opens the directory that is mounted.
    fn beginning(&self, mount: &Mount) -> Result<Rc<OwnedFd>, Errno> {
        if let Some(known) = self.beginnings.borrow().get(&mount.id) {
            return Ok(Rc::clone(known));
        }
        let point = str::from_utf8(&mount.point).map_err(|_| Errno::INVAL)?;
        let dir = self.cached(point.trim_start_matches('/')).map_err(not_absent)?;
        if look(dir.as_fd())?.mount != mount.id {
            return Err(Errno::STALE);
        }
        let dir = Rc::new(dir);
        self.beginnings.borrow_mut().insert(mount.id, Rc::clone(&dir));
        Ok(dir)
    }

    fn cached(&self, relative: &str) -> Result<OwnedFd, Errno> {
        self.open(relative, ResolveFlags::CACHED | ResolveFlags::NO_SYMLINKS)
    }

    /// Looks and takes the time it takes.
    fn slow(&self, path: &str) -> Result<Seen, Why> {
        let relative = relative(path)?;
        match self.open(relative, ResolveFlags::NO_SYMLINKS) {
            Ok(fd) => return self.found(fd.as_fd()),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Seen::ABSENT),
            Err(Errno::LOOP) => {}
            Err(errno) => return Err(Why(format!("{path}: {}", words(errno)))),
        }
        // A link of procfs such as /proc/self leads each process elsewhere, and us to ourselves or
        // to nowhere. What another link leads to is the same for all.
        let through = |what: &str| Why(format!("{path}: a symbolic link leads {what}"));
        let fd = self.open(relative, ResolveFlags::empty()).map_err(|errno| {
            through(&format!("nowhere that the observer can follow: {}", words(errno)))
        })?;
        let seen = self.found(fd.as_fd())?;
        let procfs = self.table.by_id(seen.mount).is_some_and(|it| it.file_system == b"proc");
        if procfs && seen.place == Place::Below {
            return Err(through("into procfs, which shows each process its own"));
        }
        Ok(seen)
    }

    /// Looks at what was found. Asking a file system for its type or its entries may block, so it
    /// is the mount table that says which directory may be listed.
    fn found(&self, fd: BorrowedFd<'_>) -> Result<Seen, Why> {
        let seen = look(fd).map_err(|it| Why(words(it)))?;
        let tmpfs = self.table.by_id(seen.mount).is_some_and(|it| it.file_system == b"tmpfs");
        if tmpfs && seen.place == Place::MountPoint && seen.kind == Kind::Directory {
            let empty = is_empty(fd).map_err(|it| Why(words(it)))?;
            return Ok(if empty { Seen { kind: Kind::EmptyDirectory, ..seen } } else { seen });
        }
        Ok(seen)
    }

    fn open(&self, relative: &str, more: ResolveFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
        let path = if relative.is_empty() { "." } else { relative };
        openat2(&self.root.dir, path, PATH_ONLY, Mode::empty(), resolve)
    }
}

impl View<'_> {
    /// What can be done to what was seen.
    fn access(&self, path: &str, seen: Seen) -> Result<PathAccess, Why> {
        if seen == Seen::ABSENT {
            return Ok(PathAccess::Absent);
        }
        let mount = self
            .table
            .by_id(seen.mount)
            .ok_or_else(|| Why(format!("{path}: its mount is not in the process's mount table")))?;
        Ok(match (seen.place, seen.kind, mount.access) {
            (Place::MountPoint, Kind::Null, _)
            | (Place::MountPoint, Kind::EmptyDirectory, MountAccess::ReadOnly) => {
                PathAccess::Masked
            }
            (_, _, MountAccess::ReadOnly) if self.is_pierced(path, mount) => PathAccess::Writable,
            (_, _, MountAccess::ReadOnly) => PathAccess::ReadOnly,
            (_, _, MountAccess::ReadWrite) => PathAccess::Writable,
        })
    }

    /// The mount that begins where something was seen, and what below it can be written.
    fn mount_at(&self, path: &str, seen: Seen) -> Result<Option<SeenMount>, Why> {
        if seen == Seen::ABSENT || seen.place == Place::Below {
            return Ok(None);
        }
        let mount = self
            .table
            .by_id(seen.mount)
            .ok_or_else(|| Why(format!("{path}: its mount is not in the process's mount table")))?;
        let prefix = [mount.point.as_slice(), b"/"].concat();
        let is_below = |it: &&Mount| {
            it.access == MountAccess::ReadWrite
                && it.point.starts_with(&prefix)
                && self.table.covering(self.mount, &it.point).id == it.id
        };
        // Named as the question names the place, whatever links lead there.
        let named = |it: &Mount| {
            let rest = String::from_utf8_lossy(&it.point[prefix.len()..]).into_owned();
            format!("{}/{rest}", path.trim_end_matches('/'))
        };
        Ok(Some(SeenMount {
            access: mount.access,
            file: Reading::Known(seen.file),
            file_system: Reading::Known(String::from_utf8_lossy(&mount.file_system).into_owned()),
            writable_below: Reading::Known(self.table.iter().filter(is_below).map(named).collect()),
        }))
    }

    /// Whether below a protected `path` the same kind of file system of the kernel is mounted
    /// again for writing: what the outer mount protects could be changed through the inner.
    fn is_pierced(&self, path: &str, protected: &Mount) -> bool {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        self.table.iter().any(|inner| {
            inner.access == MountAccess::ReadWrite
                && inner.file_system == protected.file_system
                && matches!(inner.file_system.as_slice(), b"proc" | b"sysfs")
                && inner.point.starts_with(prefix.as_bytes())
                && self.table.covering(self.mount, &inner.point).id == inner.id
        })
    }
}

fn is_kernels_own(mount: &Mount) -> bool {
    KERNELS_OWN.contains(&mount.file_system.as_slice())
}

/// The path from the root, without a slash at either end.
fn relative(path: &str) -> Result<&str, Why> {
    let inner = path.strip_prefix('/').map(|it| it.trim_matches('/'));
    let plain = |it: &&str| {
        !it.contains('\0')
            && (it.is_empty() || it.split('/').all(|it| !matches!(it, "" | "." | "..")))
    };
    inner
        .filter(plain)
        .ok_or_else(|| Why(format!("`{}` is no plain absolute path", path.escape_debug())))
}

/// A mount point that is listed and not found says nothing about what is below it.
fn not_absent(errno: Errno) -> Errno {
    if errno == Errno::NOENT { Errno::STALE } else { errno }
}

const PATH_ONLY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// File systems that answer from the kernel's memory and ask nobody.
const KERNELS_OWN: &[&[u8]] = &[b"proc", b"sysfs", b"tmpfs", b"devtmpfs", b"cgroup", b"cgroup2"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_absolute_paths_are_looked_for() {
        for (path, expected) in [
            ("/proc/kcore", Some("proc/kcore")),
            ("/proc/kcore/", Some("proc/kcore")),
            ("//proc", Some("proc")),
            ("/", Some("")),
            ("", None),
            ("proc", None),
            ("/proc/../etc", None),
            ("/proc/..", None),
            ("/./proc", None),
            ("/proc//kcore", None),
            ("/a\0b", None),
            ("/...", Some("...")),
        ] {
            assert_eq!(relative(path).ok(), expected, "{path:?}");
        }
    }
}
