//! Where something is mounted in a container: found in its root, and not where it would make the
//! kernel's files lie.

use std::os::fd::OwnedFd;

use stockade_sys::fs::FsMagic;

use crate::fault::{Done, Fault};
use crate::root::{Leaf, Links, Root};

/// What is about to be mounted, as far as its place depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// A procfs.
    Proc,
    /// A sysfs.
    Sysfs,
    /// Anything else.
    Other,
}

/// Finds or makes the place for a mount.
///
/// `/proc` and `/sys` must be what their names say, not links to where an image likes them
/// (CVE-2023-27561, CVE-2023-28642, CVE-2025-54867). Nothing but procfs comes to `/proc`, and
/// nothing goes inside it but over the few files that containers may be told differently about
/// (CVE-2019-16884, CVE-2019-19921).
pub(crate) fn find(root: &Root, path: &str, leaf: Leaf, what: What) -> Done<OwnedFd> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err(Fault::told(format!("the mount point `{path}` is not an absolute path")));
    }
    let clean = clean(path);
    if clean == "/" {
        return Err(Fault::told("nothing can be mounted over the root"));
    }
    let is_in = |top: &str| clean.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    if clean == "/proc" && what != What::Proc {
        return Err(Fault::told("only procfs can be mounted at /proc"));
    }
    let may_cover = FILES_OF_PROC.contains(&clean.as_str());
    if is_in("/proc") && !may_cover {
        return Err(Fault::told(format!("nothing can be mounted inside /proc: `{path}`")));
    }

    let is_guarded = clean == "/sys" || clean == "/proc" || is_in("/sys") || is_in("/proc");
    let links = match (is_guarded, what) {
        (false, What::Other) => Links::Inside,
        (true, _) | (_, What::Proc | What::Sysfs) => Links::Refused,
    };
    let target = root.make(path, leaf, links)?;
    // By whatever way it was reached.
    if FsMagic::of(&target)? == FsMagic::PROC && clean != "/proc" && !may_cover {
        return Err(Fault::told(format!("nothing can be mounted inside /proc: `{path}` is there")));
    }
    Ok(target)
}

/// The path without `.`, `..` and repeated slashes, as if there were no links.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Files that only inform, which lxcfs and its like replace.
const FILES_OF_PROC: [&str; 9] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn places_that_would_make_the_kernel_lie_are_refused() {
        let all = tempfile::tempdir().unwrap();
        fs::create_dir(all.path().join("evil")).unwrap();
        symlink("/evil", all.path().join("sys")).unwrap();
        symlink("/proc", all.path().join("alias")).unwrap();
        fs::create_dir(all.path().join("proc")).unwrap();
        let root = Root::new(OwnedFd::from(fs::File::open(all.path()).unwrap()));
        for (path, what, allowed) in [
            ("/proc", What::Proc, true),
            ("/proc", What::Other, false),
            ("//./proc/", What::Other, false),
            ("/x/../proc", What::Other, false),
            ("/proc/sys", What::Other, false),
            ("/proc/self/attr", What::Other, false),
            ("/proc/sys", What::Proc, false),
            ("/proc/meminfo", What::Other, true),
            ("/alias", What::Proc, false),
            ("/sys", What::Sysfs, false),
            ("/sys/fs/cgroup", What::Other, false),
            ("/", What::Other, false),
            ("/../..", What::Other, false),
            ("relative", What::Other, false),
            ("/data", What::Other, true),
            ("/procedure", What::Other, true),
        ] {
            let leaf = if path == "/proc/meminfo" { Leaf::File } else { Leaf::Directory };
            let found = find(&root, path, leaf, what);
            assert_eq!(found.is_ok(), allowed, "{path} {what:?}: {found:?}");
        }
    }
}
