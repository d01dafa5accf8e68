//! Cgroups: where a container is limited, counted, found and killed.
//!
//! One path names a cgroup in every hierarchy that has a use for it: the unified one, to be born
//! in, tracked and killed, and each v1 hierarchy whose controller is wanted. Nothing outside that
//! path is touched, but for the parents that have to be there.
//!
//! Source: cgroups(7), the kernel's `admin-guide/cgroup-v1` and `cgroup-v2`.

mod devices;
mod hierarchy;
mod limits;
mod make;
mod members;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub(crate) use hierarchy::{Hierarchy, Version, hierarchies};
pub(crate) use make::{Cgroup, Place, make, open};
pub use members::{kill_all, processes, remove, signal_all};

/// Where a cgroup is, below the mount point of each hierarchy.
///
/// Invariant: one or more names of harmless characters; none is `.` or `..`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CgroupPath(String);

/// Not a path for a cgroup.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a path for a cgroup: names of letters, digits and `-_.:@`, with `/` between")]
pub struct NotACgroupPath(pub String);

impl CgroupPath {
    /// The path, without a slash at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cgroup called `name` in this one.
    ///
    /// # Errors
    ///
    /// If `name` is not a name.
    pub fn child(&self, name: &str) -> Result<Self, NotACgroupPath> {
        format!("{}/{name}", self.0).parse()
    }

    /// The cgroup that this one is in.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// This one and those that it is in, from the top.
    pub(crate) fn with_parents(&self) -> impl DoubleEndedIterator<Item = &str> {
        let ends = self.0.match_indices('/').map(|(at, _)| at).chain([self.0.len()]);
        ends.map(|end| &self.0[..end]).collect::<Vec<_>>().into_iter()
    }
}

impl FromStr for CgroupPath {
    type Err = NotACgroupPath;

    fn from_str(text: &str) -> Result<Self, NotACgroupPath> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 255
                && name != "."
                && name != ".."
                // What the kernel keeps there: a cgroup of that name would be a file's.
                && !name.starts_with("cgroup.")
                && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.:@".contains(&it))
        };
        if text.split('/').all(is_name) && text.len() < 4096 {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotACgroupPath(text.to_owned()))
        }
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_parent() {
        for (text, valid) in [
            ("stockade/pod/app", true),
            ("stockade", true),
            ("a:b@c_d-e.f", true),
            ("", false),
            ("/stockade", false),
            ("stockade/", false),
            ("stockade//app", false),
            ("stockade/../app", false),
            ("..", false),
            ("a/./b", false),
            ("a/cgroup.procs", false),
            ("a b", false),
            ("a\nb", false),
            ("ä", false),
        ] {
            assert_eq!(text.parse::<CgroupPath>().is_ok(), valid, "{text}");
        }
        let path: CgroupPath = "a/b/c".parse().unwrap();
        assert_eq!(path.with_parents().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        assert!(path.child("../x").is_err());
        assert_eq!(path.parent().unwrap().as_str(), "a/b");
        assert_eq!("a".parse::<CgroupPath>().unwrap().parent(), None);
    }
}
