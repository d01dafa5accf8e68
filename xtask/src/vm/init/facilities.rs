//! What programs expect of a running system: file systems, modules, a host
//! name, the loopback interface.
//!
//! Nothing here stops a guest. What is missing becomes a note, and a test that
//! needs it fails by itself.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::mount::{MountFlags, mount};
use rustix::process::umask;
use rustix::system::{finit_module, sethostname};

use super::MODULES;
use super::loopback;

/// Provides everything there is, and returns what could not be had.
pub(super) fn provide() -> Vec<String> {
    umask(Mode::WGRP | Mode::WOTH);
    let mut notes = Vec::new();
    for file_system in FILE_SYSTEMS {
        note(&mut notes, "mount", file_system.target, file_system.mount());
    }
    for module in modules() {
        note(&mut notes, "load", &module.to_string_lossy(), load(&module));
    }
    note(&mut notes, "set", "the host name", sethostname(b"guest").map_err(Into::into));
    note(&mut notes, "bring up", "the loopback interface", loopback::bring_up());
    notes
}

fn note(notes: &mut Vec<String>, what: &str, name: &str, result: io::Result<()>) {
    if let Err(error) = result {
        notes.push(format!("cannot {what} {name}: {error}"));
    }
}

/// The modules that came along. Their names begin with their place in the order.
fn modules() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(MODULES).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn load(module: &Path) -> io::Result<()> {
    let is_compressed = module.extension().is_none_or(|it| it != "ko");
    let flags = if is_compressed { MODULE_INIT_COMPRESSED_FILE } else { 0 };
    match finit_module(File::open(module)?, c"", flags) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        result => result.map_err(Into::into),
    }
}

struct FileSystem {
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    options: &'static CStr,
}

impl FileSystem {
    fn mount(&self) -> io::Result<()> {
        let Self { kind, target, flags, options } = self;
        // The directories of sysfs are the kernel's to make.
        if let Err(error) = fs::create_dir(target)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        // What a test put into /run or /tmp must not vanish under a mount; the
        // root is a tmpfs anyway.
        if *kind == "tmpfs" && fs::read_dir(target)?.next().is_some() {
            return Ok(());
        }
        Ok(mount(*kind, *target, *kind, *flags, *options)?)
    }
}

const SAFE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const INERT: MountFlags = SAFE.union(MountFlags::NOEXEC);

/// In the order of mounting, as systemd mounts them.
const FILE_SYSTEMS: &[FileSystem] = &[
    FileSystem { kind: "proc", target: "/proc", flags: INERT, options: c"" },
    FileSystem { kind: "sysfs", target: "/sys", flags: INERT, options: c"" },
    FileSystem {
        kind: "devtmpfs",
        target: "/dev",
        flags: MountFlags::NOSUID,
        options: c"mode=755",
    },
    FileSystem {
        kind: "devpts",
        target: "/dev/pts",
        flags: MountFlags::NOSUID.union(MountFlags::NOEXEC),
        options: c"mode=620,gid=5,ptmxmode=666",
    },
    FileSystem { kind: "tmpfs", target: "/dev/shm", flags: SAFE, options: c"mode=1777" },
    FileSystem { kind: "mqueue", target: "/dev/mqueue", flags: INERT, options: c"" },
    FileSystem { kind: "tmpfs", target: "/run", flags: SAFE, options: c"mode=755" },
    FileSystem { kind: "tmpfs", target: "/tmp", flags: SAFE, options: c"mode=1777" },
    FileSystem { kind: "tmpfs", target: "/var", flags: MountFlags::empty(), options: c"mode=755" },
    FileSystem { kind: "securityfs", target: "/sys/kernel/security", flags: INERT, options: c"" },
    FileSystem { kind: "cgroup2", target: "/sys/fs/cgroup", flags: INERT, options: c"nsdelegate" },
    FileSystem { kind: "bpf", target: "/sys/fs/bpf", flags: INERT, options: c"mode=700" },
];

/// Of `linux/module.h`: Linux 5.17, if the kernel was built to decompress modules.
const MODULE_INIT_COMPRESSED_FILE: i32 = 4;
