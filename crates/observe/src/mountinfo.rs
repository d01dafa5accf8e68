//! `/proc/<pid>/mountinfo`: what is mounted where, as the process sees it.
//!
//! The file lists the mounts that can be reached from the process's root, with mount points
//! relative to it. The order of its lines means nothing: a mount that was made early can have been
//! moved over a later one. Which mount a path leads to is therefore found as the kernel finds it,
//! from the root down, by the parent that each line names.
//!
//! A container chooses mount points, sources and some options; the kernel escapes blanks, line
//! breaks and backslashes in them. Whether something is read-only is read from the *first* option
//! of each list only, which the kernel itself writes. A line that cannot be read spoils the table.
//!
//! Source: proc_pid_mountinfo(5); `fs/proc_namespace.c`.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::retry_on_intr;
use stockade_abi::Why;
use stockade_abi::facts::MountAccess;

use crate::file::{Failed, read_open, refused};

/// One mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mount {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// The directory or file of the file system that is mounted here.
    pub(crate) root: Vec<u8>,
    /// Where, from the process's root.
    pub(crate) point: Vec<u8>,
    /// Read-only if the mount or its file system is.
    pub(crate) access: MountAccess,
    pub(crate) file_system: Vec<u8>,
    /// The options of the file system, without the first.
    pub(crate) options: Vec<Vec<u8>>,
}

/// The mounts that a process can reach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct MountTable(Vec<Mount>);

impl MountTable {
    /// Reads the whole file.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, Why> {
        let lines = content.split(|it| *it == b'\n').filter(|it| !it.is_empty());
        let mounts = lines.map(|line| {
            let shown =
                || String::from_utf8_lossy(line).escape_debug().take(200).collect::<String>();
            mount(line).ok_or_else(|| Why(format!("a line of mountinfo is malformed: {}", shown())))
        });
        mounts.collect::<Result<_, _>>().map(Self)
    }

    /// All of them, in the kernel's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// The mount of that number.
    pub(crate) fn by_id(&self, id: u64) -> Option<&Mount> {
        self.0.iter().find(|it| it.id == id)
    }

    /// The mount on top of everything at `/`, for an observer who may not ask which of the mounts
    /// there the process has as its root.
    pub(crate) fn top_of_root(&self) -> Option<&Mount> {
        let at_root = || self.0.iter().filter(|it| it.point == b"/");
        let mut top = at_root().find(|it| at_root().all(|other| other.id != it.parent))?;
        // Each turn goes to a child; a table with a ring in it must not hold us.
        for _ in 0..self.0.len() {
            match at_root().find(|it| it.parent == top.id && it.id != top.id) {
                Some(over) => top = over,
                None => break,
            }
        }
        Some(top)
    }

    /// The mount that `path`, absolute and without symbolic links, leads to for a process with
    /// `root` as the mount of its root directory.
    pub(crate) fn covering<'a>(&'a self, root: &'a Mount, path: &[u8]) -> &'a Mount {
        let mut current = root;
        for end in (1..=path.len()).filter(|end| path.get(*end).is_none_or(|it| *it == b'/')) {
            // Mounts on one point lie over each other, each the child of the one below.
            for _ in 0..self.0.len() {
                let here = |it: &&Mount| it.parent == current.id && it.point == path[..end];
                match self.0.iter().find(here) {
                    Some(over) if over.id != current.id => current = over,
                    Some(_) | None => break,
                }
            }
        }
        current
    }
}

/// A table and the open file that knows whether it is still true.
#[derive(Debug)]
pub(crate) struct Mounts {
    file: OwnedFd,
    pub(crate) table: MountTable,
}

impl Mounts {
    /// Reads `mountinfo` below a process's directory in procfs.
    pub(crate) fn read(dir: impl AsFd) -> Result<Self, Why> {
        const NAME: &[u8] = b"mountinfo";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(dir, "mountinfo", flags, Mode::empty())
            .map_err(|it| Why::from(refused(NAME, it)))?;
        let content = read_open(file.as_fd(), NAME, LIMIT).map_err(|it: Failed| Why::from(it))?;
        Ok(Self { file, table: MountTable::parse(&content)? })
    }

    /// Whether any mount of that namespace came, went or changed since the table was read.
    pub(crate) fn changed(&self) -> bool {
        let mut file = [PollFd::new(&self.file, PollFlags::PRI)];
        // The kernel reports a change as "exceptional" and otherwise calls the file readable; a
        // poll that fails leaves us without knowledge, which is not "unchanged".
        match retry_on_intr(|| poll(&mut file, Some(&Timespec::default()))) {
            Ok(_) => file[0].revents().intersects(PollFlags::PRI | PollFlags::ERR),
            Err(_) => true,
        }
    }
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|it| *it == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let _device = fields.next()?;
    let root = unescape(fields.next()?)?;
    let point = unescape(fields.next()?)?;
    let mount_access = access(fields.next()?)?;
    // Optional fields such as `shared:1`, ended by a hyphen.
    fields.by_ref().find(|it| *it == b"-")?;
    let file_system = unescape(fields.next()?)?;
    let _source = fields.next()?;
    let options: Vec<&[u8]> = fields.collect();
    let options = options.join(&b' ');
    let superblock_access = access(&options)?;
    let options = options.split(|it| *it == b',').skip(1).map(<[u8]>::to_vec).collect();
    let access = match (mount_access, superblock_access) {
        (MountAccess::ReadWrite, MountAccess::ReadWrite) => MountAccess::ReadWrite,
        (MountAccess::ReadOnly, _) | (_, MountAccess::ReadOnly) => MountAccess::ReadOnly,
    };
    Some(Mount { id, parent, root, point, access, file_system, options })
}

fn access(options: &[u8]) -> Option<MountAccess> {
    match options.split(|it| *it == b',').next()? {
        b"ro" => Some(MountAccess::ReadOnly),
        b"rw" => Some(MountAccess::ReadWrite),
        _ => None,
    }
}

fn number(field: &[u8]) -> Option<u64> {
    str::from_utf8(field).ok()?.parse().ok()
}

/// Undoes the kernel's `\ooo`.
fn unescape(field: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, others @ ..] = rest {
        if *first != b'\\' {
            plain.push(*first);
            rest = others;
            continue;
        }
        let (digits, others) = others.split_at_checked(3)?;
        let code = digits.iter().try_fold(0_u32, |code, digit| match digit {
            b'0'..=b'7' => Some(code * 8 + u32::from(digit - b'0')),
            _ => None,
        })?;
        plain.push(u8::try_from(code).ok()?);
        rest = others;
    }
    Some(plain)
}

/// About 100,000 mounts, the most that a mount namespace can have by default (`fs.mount-max`).
const LIMIT: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
