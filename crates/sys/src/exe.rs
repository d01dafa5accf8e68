//! This very program, as a descriptor that nobody can write through.
//!
//! A container that runs our binary (as its init, or for `probe`) reaches the host's file through
//! `/proc/<pid>/exe`, past every mount namespace, and as root could overwrite it once it is not
//! running (CVE-2019-5736).

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mount::OpenTreeFlags;

use crate::mount::{MountAttrFlags, MountAttributes, Recursion, set_attributes};
use crate::{Calls, Refused};

/// Opens this program for [`Exec::go_fd`](crate::process::Exec::go_fd): as a read-only mount of its
/// own, attached nowhere, or where that is not permitted as a sealed copy in memory.
///
/// The mount costs nothing; the copy costs as much memory as the program is long, once per call.
///
/// # Errors
///
/// - `ENOENT`: no `/proc`.
/// - `EACCES`: memory may not be executed (`vm.memfd_noexec=2`).
///
/// # Kernel
///
/// Linux 5.12 (mount_setattr(2)) with `CAP_SYS_ADMIN` over the mount namespace; else
/// memfd_create(2) with seals, Linux 3.17.
pub fn readonly_self() -> Result<OwnedFd, Refused> {
    readonly_mount().or_else(|_| sealed_copy())
}

fn readonly_mount() -> Result<OwnedFd, Refused> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, c"/proc/self/exe", flags)
        .call("open_tree(/proc/self/exe)")?;
    let readonly =
        MountAttributes { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..MountAttributes::default() };
    set_attributes(&mount, c"", Recursion::This, readonly)?;
    Ok(mount)
}

fn sealed_copy() -> Result<OwnedFd, Refused> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let program =
        rustix::fs::open(c"/proc/self/exe", flags, Mode::empty()).call("open(/proc/self/exe)")?;
    let length = rustix::fs::fstat(&program).call("fstat(/proc/self/exe)")?.st_size;
    let length = usize::try_from(length).expect("a program fits into memory");

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC is needed where `vm.memfd_noexec` is 1 and unknown before Linux 6.3.
    let copy = rustix::fs::memfd_create(c"stockade", flags | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create(c"stockade", flags))
        .call("memfd_create")?;
    let mut copied = 0;
    while copied < length {
        match rustix::fs::sendfile(&copy, &program, None, length - copied).call("sendfile")? {
            // A program cannot be cut short while it runs.
            0 => return Err(Refused::from_rustix("sendfile", rustix::io::Errno::IO)),
            more => copied += more,
        }
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&copy, seals).call("fcntl(F_ADD_SEALS)")?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_copy_is_the_program_and_cannot_be_written() {
        let copy = sealed_copy().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&copy));
        assert_eq!(std::fs::read(path).unwrap(), std::fs::read("/proc/self/exe").unwrap());
        assert_eq!(rustix::io::pwrite(&copy, b"x", 0), Err(rustix::io::Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&copy, 0), Err(rustix::io::Errno::PERM));
    }
}
