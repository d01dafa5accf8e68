//! Options of a mount: flags for the kernel, propagation, and what a file system takes.
//!
//! | option | for |
//! |---|---|
//! | `ro`, `nosuid`, `nodev`, `noexec`, `noatime`, `strictatime`, `nodiratime`, `nosymfollow`; with `r` before it also for mounts below | the mount |
//! | their opposites, `relatime`, `defaults` and the like | takes back what an earlier option said |
//! | `bind`, `rbind` | a host path is mounted |
//! | `private`, `slave`, `shared`, with or without `r` | how mount events travel |
//! | `sync`, `dirsync`, `lazytime` | a new file system |
//! | the names in [`DATA`] | a new file system of that kind |
//! | anything, for the kernel to judge | a new file system of another kind |
//!
//! Later options win, as in mount(8). A word that is none of these is refused: to skip one could
//! mean to mount with less than was asked for.
//!
//! Source: OCI runtime specification, "Linux mount options"; mount(8), mount_setattr(2).

use crate::plan::Propagation;
use crate::workload::{MountFlags, Recursion};

/// Options, understood.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Options {
    pub(super) flags: MountFlags,
    /// A host path, and whether mounts below come along.
    pub(super) bind: Option<Recursion>,
    pub(super) propagation: Option<(Propagation, Recursion)>,
    /// For the file system.
    pub(super) data: Vec<String>,
}

/// Why an option cannot be taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum BadOption {
    /// Nobody knows it.
    Unknown,
    /// It is known, and not done by this build; says what it is.
    NotDone(&'static str),
}

/// Reads one option into `all`. `kind` is the file system's, or nothing for a host path.
pub(super) fn read(all: &mut Options, option: &str, kind: Option<&str>) -> Result<(), BadOption> {
    if set_flag(&mut all.flags, option, Recursion::One)
        || option.strip_prefix('r').is_some_and(|it| set_flag(&mut all.flags, it, Recursion::All))
    {
        return Ok(());
    }
    match option {
        "bind" => all.bind = Some(Recursion::One),
        "rbind" => all.bind = Some(Recursion::All),
        "private" => all.propagation = Some((Propagation::Private, Recursion::One)),
        "rprivate" => all.propagation = Some((Propagation::Private, Recursion::All)),
        "slave" => all.propagation = Some((Propagation::Slave, Recursion::One)),
        "rslave" => all.propagation = Some((Propagation::Slave, Recursion::All)),
        "shared" => all.propagation = Some((Propagation::Shared, Recursion::One)),
        "rshared" => all.propagation = Some((Propagation::Shared, Recursion::All)),
        "defaults" | "silent" | "loud" | "async" | "nolazytime" | "noiversion" | "nomand" => {}
        "unbindable" | "runbindable" => return Err(BadOption::NotDone("propagation")),
        "idmap" | "ridmap" => return Err(BadOption::NotDone("an id-mapped mount")),
        "tmpcopyup" | "notmpcopyup" => return Err(BadOption::NotDone("copying into a tmpfs")),
        "copy-symlink" | "src-nofollow" | "dest-nofollow" => {
            return Err(BadOption::NotDone("an extension of another runtime"));
        }
        "remount" | "mand" | "iversion" => return Err(BadOption::NotDone("a flag of mount(2)")),
        data => match kind {
            Some(kind) if is_data(kind, data) => all.data.push(data.to_owned()),
            Some(_) | None => return Err(BadOption::Unknown),
        },
    }
    Ok(())
}

/// Sets, or takes back, the flag of that name.
fn set_flag(flags: &mut MountFlags, name: &str, recursion: Recursion) -> bool {
    let on = Some(recursion);
    let (flag, value) = match name {
        "ro" => (&mut flags.read_only, on),
        "rw" => (&mut flags.read_only, None),
        "nosuid" => (&mut flags.no_suid, on),
        "suid" => (&mut flags.no_suid, None),
        "nodev" => (&mut flags.no_dev, on),
        "dev" => (&mut flags.no_dev, None),
        "noexec" => (&mut flags.no_exec, on),
        "exec" => (&mut flags.no_exec, None),
        "nodiratime" => (&mut flags.no_dir_atime, on),
        "diratime" => (&mut flags.no_dir_atime, None),
        "nosymfollow" => (&mut flags.no_symlink_follow, on),
        "symfollow" => (&mut flags.no_symlink_follow, None),
        // One choice of three to the kernel.
        "noatime" => {
            flags.strict_atime = None;
            (&mut flags.no_atime, on)
        }
        "strictatime" => {
            flags.no_atime = None;
            (&mut flags.strict_atime, on)
        }
        "relatime" | "atime" | "norelatime" | "nostrictatime" => {
            flags.no_atime = None;
            (&mut flags.strict_atime, None)
        }
        _ => return false,
    };
    *flag = value;
    true
}

/// Whether a file system of that kind takes the option, as far as is known here.
fn is_data(kind: &str, option: &str) -> bool {
    if SUPERBLOCK.contains(&option) {
        return true;
    }
    let name = option.split('=').next().unwrap_or_default();
    match DATA.iter().find(|it| it.0 == kind) {
        Some((_, names)) => names.contains(&name),
        None => !name.is_empty(),
    }
}

const SUPERBLOCK: &[&str] = &["sync", "dirsync", "lazytime"];

/// Options of file systems that belong to a container. The kernel ignores a wrong one in none of
/// them, but says less clearly which.
const DATA: &[(&str, &[&str])] = &[
    ("proc", &["hidepid", "subset", "gid"]),
    ("sysfs", &[]),
    ("mqueue", &[]),
    // What a container sees of its cgroups is made by us; there is nothing to choose.
    ("cgroup", &[]),
    ("cgroup2", &[]),
    ("devpts", &["newinstance", "ptmxmode", "mode", "uid", "gid", "max"]),
    (
        "tmpfs",
        &[
            "size",
            "nr_blocks",
            "nr_inodes",
            "mode",
            "uid",
            "gid",
            "huge",
            "mpol",
            "inode32",
            "inode64",
            "noswap",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(options: &[&str], kind: Option<&str>) -> Result<Options, BadOption> {
        let mut all = Options::default();
        for option in options {
            read(&mut all, option, kind)?;
        }
        Ok(all)
    }

    #[test]
    fn flags_hold_for_what_they_name_and_the_last_one_counts() {
        let (one, all) = (Some(Recursion::One), Some(Recursion::All));
        let none = MountFlags::default();
        for (options, expected) in [
            (&["ro"][..], MountFlags { read_only: one, ..none }),
            (&["rro"], MountFlags { read_only: all, ..none }),
            (&["ro", "rw"], none),
            (&["rw", "ro"], MountFlags { read_only: one, ..none }),
            (&["rro", "rrw"], none),
            (&["nosuid", "rnodev"], MountFlags { no_suid: one, no_dev: all, ..none }),
            (
                &["noexec", "nosymfollow"],
                MountFlags { no_exec: one, no_symlink_follow: one, ..none },
            ),
            (&["noatime", "strictatime"], MountFlags { strict_atime: one, ..none }),
            (&["strictatime", "relatime"], none),
            (&["nodiratime"], MountFlags { no_dir_atime: one, ..none }),
            (&["defaults"], none),
        ] {
            assert_eq!(told(options, None).unwrap().flags, expected, "{options:?}");
        }
    }

    #[test]
    fn only_what_is_known_is_taken() {
        for (option, kind, taken) in [
            ("size=64k", Some("tmpfs"), true),
            ("size=64k", Some("proc"), false),
            ("size=64k", None, false),
            ("nosiud", Some("tmpfs"), false),
            ("nosiud", None, false),
            ("RO", None, false),
            ("r", None, false),
            ("rr", None, false),
            ("rbind", None, true),
            ("rrbind", None, false),
            ("", Some("tmpfs"), false),
            ("", Some("ext4"), false),
            ("hidepid=2", Some("proc"), true),
            ("sync", Some("ext4"), true),
            ("sync", None, false),
            ("data=journal", Some("ext4"), true),
            ("tmpcopyup", Some("tmpfs"), false),
            ("idmap", None, false),
            ("ridmap=uids=0-0-1", None, false),
            ("remount", None, false),
            ("unbindable", None, false),
            ("x-mount.mkdir", None, false),
        ] {
            assert_eq!(told(&[option], kind).is_ok(), taken, "{option} {kind:?}");
        }
    }
}
