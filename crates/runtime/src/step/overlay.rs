//! The layers of an image as one file system.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, chownat, fstat, mkdirat, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree,
};
use stockade_abi::NamespaceKind;
use stockade_confine::plan::OverlayAttributes;
use stockade_sys::mount::{MountAttributes, Recursion, set_attributes};
use stockade_sys::{Calls, Refused};

use super::mount::why;
use crate::fault::{Done, Fault};
use crate::site::{Join, UPPER, WORK};

/// Mounts `layers` (bottom to top) under a new writable directory in `scratch`.
///
/// If a user namespace is joined by a process that root makes, layers take its id maps: root in
/// there owns what root owns in the image. Without root we are in that namespace by now, and are
/// its root: the layers are ours already.
///
/// What is written is not kept safe against a crash of the machine (`volatile`), which it would not
/// survive anyway: the scratch directory goes with the container.
///
/// # Kernel
///
/// Linux 5.10. With more than about twelve layers 6.5, with id maps 6.13.
pub(crate) fn mount(
    layers: &[String],
    scratch: &Path,
    attributes: OverlayAttributes,
    join: &Join,
) -> Done<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let writable = openat(CWD, scratch, flags, Mode::empty()).call("open(scratch)")?;
    for (name, mode) in [(UPPER, 0o755), (WORK, 0o700)] {
        mkdirat(&writable, name, Mode::from_raw_mode(mode)).call("mkdirat(scratch)")?;
    }

    let context = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).call("fsopen(overlay)")?;
    let fs = context.as_fd();
    fsconfig_set_string(fs, c"source", c"overlay").call("fsconfig(source)")?;
    let user_namespace = match (join, attributes) {
        (Join::Each(all), OverlayAttributes::Trusted) => {
            all.iter().find(|(kind, _)| *kind == NamespaceKind::User)
        }
        (Join::Each(_), OverlayAttributes::User) | (Join::Nothing | Join::Of(_), _) => None,
    };
    // What is named by descriptor or mounted for this must live until the file system is there.
    let mut held = Vec::new();
    match user_namespace {
        Some((_, namespace)) => {
            set_mapped(fs, layers, scratch, namespace.as_fd(), &mut held)?;
        }
        None if kernel_is_at_least(6, 5)? => {
            // Each on its own, from top to bottom.
            for layer in layers.iter().rev() {
                set_path(fs, "lowerdir+", layer, &mut held)?;
            }
        }
        None => set_list(fs, layers, &mut held)?,
    }
    for (option, name) in [("upperdir", UPPER), ("workdir", WORK)] {
        let path = scratch.join(name);
        let path = path.to_str().ok_or_else(|| Fault::told("scratch is not UTF-8"))?;
        set_path(fs, option, path, &mut held)?;
    }
    match attributes {
        OverlayAttributes::Trusted => {}
        OverlayAttributes::User => {
            fsconfig_set_flag(fs, c"userxattr").call("fsconfig(userxattr)")?;
        }
    }
    fsconfig_set_flag(fs, c"volatile").call("fsconfig(volatile)")?;

    fsconfig_create(fs).call("fsconfig(create overlay)").map_err(|it| why(it, fs))?;
    let none = MountAttrFlags::empty();
    Ok(fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, none).call("fsmount(overlay)")?)
}

/// Names a directory by its path, or where that is too long by a descriptor's.
fn set_path(fs: BorrowedFd<'_>, option: &str, path: &str, held: &mut Vec<OwnedFd>) -> Done {
    let short = if path.len() < STRING_MAX { path.to_owned() } else { hold(path, held)? };
    fsconfig_set_string(fs, option, &*short)
        .call("fsconfig")
        .map_err(|refused| Fault::told(format!("{} of {option}={path}", why(refused, fs))))
}

/// Names all layers at once, by descriptors, whose paths are short and have no colons.
fn set_list(fs: BorrowedFd<'_>, layers: &[String], held: &mut Vec<OwnedFd>) -> Done {
    let names = layers.iter().rev().map(|it| hold(it, held)).collect::<Done<Vec<_>>>()?;
    let list = names.join(":");
    if list.len() >= STRING_MAX {
        let number = layers.len();
        return Err(Fault::told(format!("{number} layers need Linux 6.5 (`lowerdir+`)")));
    }
    Ok(fsconfig_set_string(fs, c"lowerdir", &*list).call("fsconfig(lowerdir)")?)
}

fn hold(path: &str, held: &mut Vec<OwnedFd>) -> Done<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())
        .call("openat")
        .map_err(|it| Fault::told(format!("{} from {} of {path}", it.errno, it.call)))?;
    let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
    held.push(directory);
    Ok(name)
}

/// Hands layers over as mounts that have the id maps of `userns`.
fn set_mapped(
    fs: BorrowedFd<'_>,
    layers: &[String],
    scratch: &Path,
    userns: BorrowedFd<'_>,
    held: &mut Vec<OwnedFd>,
) -> Done {
    for layer in layers.iter().rev() {
        let layer = mapped(Path::new(layer), userns)?;
        set_directory(fs, "lowerdir+", &layer, ".")?;
        held.push(layer);
    }
    give_to_root_inside(scratch, userns)
}

/// Gives what the container will write to whom its user namespace calls root. The directory is not
/// mapped itself: overlayfs works in it with our own ids, which have no image in there.
fn give_to_root_inside(scratch: &Path, userns: BorrowedFd<'_>) -> Done {
    // The kernel knows the maps: how does ours look through them?
    let ours = fstat(mapped(scratch, userns)?).call("fstat")?;
    if ours.st_uid == OVERFLOW || ours.st_gid == OVERFLOW {
        return Err(Fault::told("the user namespace has no root"));
    }
    let (uid, gid) = (Uid::from_raw(ours.st_uid), Gid::from_raw(ours.st_gid));
    let upper = scratch.join(UPPER);
    Ok(chownat(CWD, &upper, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).call("fchownat")?)
}

fn mapped(path: &Path, userns: BorrowedFd<'_>) -> Done<OwnedFd> {
    let about = |refused: Refused| {
        Fault::told(format!("{} from {} of {}", refused.errno, refused.call, path.display()))
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, path, flags).call("open_tree").map_err(about)?;
    let change = MountAttributes { userns: Some(userns), ..MountAttributes::default() };
    set_attributes(&mount, c"", Recursion::This, change).map_err(about)?;
    Ok(mount)
}

fn set_directory(fs: BorrowedFd<'_>, option: &str, parent: &OwnedFd, name: &str) -> Done {
    // One that is open as a path only would do from Linux 6.15 on.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty()).call("openat")?;
    fsconfig_set_fd(fs, option, &directory)
        .call("fsconfig(descriptor)")
        .map_err(|refused| Fault::told(format!("{} of {option}", why(refused, fs))))
}

/// Before 6.5 an unknown option is found out too late to try another.
fn kernel_is_at_least(major: u32, minor: u32) -> Done<bool> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|it: char| !it.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => Ok((first, second) >= (major, minor)),
        _ => Err(Fault::told(format!("the kernel calls itself `{release}`"))),
    }
}

/// The kernel takes strings shorter than this in fsconfig(2).
const STRING_MAX: usize = 256;
const OVERFLOW: u32 = 65_534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_is_one() {
        assert_eq!(kernel_is_at_least(5, 0), Ok(true));
        assert_eq!(kernel_is_at_least(99, 0), Ok(false));
    }
}
