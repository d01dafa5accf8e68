//! Where things are kept.
//!
//! | | as root | as an ordinary user | with `--root DIR` |
//! |---|---|---|---|
//! | images, containers' files | `/var/lib/stockade` | `$XDG_DATA_HOME/stockade`, else `~/.local/share/stockade` | `DIR` |
//! | what belongs to running pods | `/run/stockade` | `$XDG_RUNTIME_DIR/stockade`, else `/tmp/stockade-<uid>` | `DIR/run` |
//!
//! Every directory is ours and nobody else's to enter: other people's set-user-id files and control
//! sockets are in there. One that is there already and is somebody else's, or a symbolic link, is
//! refused and not repaired: in `/tmp` that is an attack.

use std::env;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::answer::Failure;

/// Directories that are there and ours alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Roots {
    /// What `Store::open` takes; the store is its `images`.
    pub(crate) store: PathBuf,
    /// Files of containers that outlive a boot: what they write, their logs.
    pub(crate) containers: PathBuf,
    /// What belongs to running pods and goes with the machine.
    pub(crate) run: PathBuf,
}

impl Roots {
    /// Makes the directories, or verifies that they are ours.
    ///
    /// # Errors
    ///
    /// If one cannot be made, or is somebody else's.
    pub(crate) fn open(root: Option<&Path>) -> Result<Self, Failure> {
        let roots =
            Self::locate(root, geteuid().as_raw(), |name| env::var_os(name).map(PathBuf::from))?;
        for path in [&roots.store, &roots.containers, &roots.run] {
            private_directory(path)?;
        }
        Ok(roots)
    }

    /// The directory of containers that were made from bundles. It is not made here.
    ///
    /// # Errors
    ///
    /// If there is no place for it.
    pub(crate) fn bundles(root: Option<&Path>) -> Result<PathBuf, Failure> {
        let variable = |name: &str| env::var_os(name).map(PathBuf::from);
        Ok(Self::locate(root, geteuid().as_raw(), variable)?.run.join("oci"))
    }

    /// Opens the image store.
    pub(crate) fn images(&self) -> Result<stockade_image::Store, Failure> {
        Ok(stockade_image::Store::open(&self.store)?)
    }

    fn locate(
        root: Option<&Path>,
        uid: u32,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, Failure> {
        // The XDG specification: a relative path is to be ignored.
        let directory = |name| variable(name).filter(|it: &PathBuf| it.is_absolute());
        let (store, run) = match (root, uid) {
            (Some(root), _) => {
                let root = std::path::absolute(root)
                    .map_err(|error| Failure::question(format!("--root: {error}")))?;
                (root.clone(), root.join("run"))
            }
            (None, 0) => ("/var/lib/stockade".into(), "/run/stockade".into()),
            (None, uid) => {
                let data = directory("XDG_DATA_HOME")
                    .or_else(|| Some(directory("HOME")?.join(".local/share")))
                    .ok_or_else(|| {
                        Failure::unanswered("there is no place for images: HOME is not set")
                            .hint("set HOME or XDG_DATA_HOME, or name a directory with --root")
                    })?;
                let run = match directory("XDG_RUNTIME_DIR") {
                    Some(runtime) => runtime.join("stockade"),
                    None => format!("/tmp/stockade-{uid}").into(),
                };
                (data.join("stockade"), run)
            }
        };
        Ok(Self { containers: store.join("containers"), store, run })
    }
}

/// Makes a directory that only we can enter, or verifies that it is one.
///
/// # Errors
///
/// If it cannot be made, or is somebody else's.
pub(crate) fn private_directory(path: &Path) -> Result<(), Failure> {
    let failed = |doing: &str, error: io::Error| {
        Failure::unanswered(format!("cannot {doing} {}: {error}", path.display()))
    };
    if let Some(parent) = path.parent() {
        // What lies above is not ours, and others may need it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .map_err(|error| failed("make the directories above", error))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", error)),
    }
    let found = path.symlink_metadata().map_err(|error| failed("look at", error))?;
    if !found.is_dir() {
        return Err(Failure::unanswered(format!("{} is not a directory", path.display())));
    }
    if found.uid() != geteuid().as_raw() {
        let what = format!("{} belongs to user {}, not to us", path.display(), found.uid());
        return Err(Failure::unanswered(what).hint("name another directory with --root"));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|error| failed("close to others", error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_place() {
        let xdg: &[(&str, &str)] =
            &[("XDG_DATA_HOME", "/d"), ("XDG_RUNTIME_DIR", "/r"), ("HOME", "/h")];
        let relative: &[(&str, &str)] =
            &[("XDG_DATA_HOME", "d"), ("XDG_RUNTIME_DIR", "r"), ("HOME", "/h")];
        for (root, uid, variables, store, run) in [
            (None, 0, xdg, "/var/lib/stockade", "/run/stockade"),
            (None, 7, xdg, "/d/stockade", "/r/stockade"),
            (None, 7, relative, "/h/.local/share/stockade", "/tmp/stockade-7"),
            (Some("/x"), 0, xdg, "/x", "/x/run"),
            (Some("/x"), 7, &[][..], "/x", "/x/run"),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(it, _)| *it == name);
                found.map(|(_, value)| PathBuf::from(value))
            };
            let roots = Roots::locate(root.map(Path::new), uid, variable).unwrap();
            assert_eq!((roots.store.to_str(), roots.run.to_str()), (Some(store), Some(run)));
            assert_eq!(roots.containers, roots.store.join("containers"));
        }
        assert!(Roots::locate(None, 7, |_| None).is_err());
    }

    #[test]
    fn a_directory_is_made_closed_to_others_and_never_through_a_link() {
        let base = env::temp_dir().join(format!("stockade-paths-{}", std::process::id()));
        let open = base.join("open");
        std::fs::create_dir_all(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&open, base.join("link")).unwrap();
        std::fs::write(base.join("file"), "").unwrap();
        for (name, expected) in
            [("new", true), ("open", true), ("a/b/c", true), ("link", false), ("file", false)]
        {
            let path = base.join(name);
            assert_eq!(private_directory(&path).is_ok(), expected, "{name}");
            if expected {
                assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700, "{name}");
            }
        }
        std::fs::remove_dir_all(&base).unwrap();
    }
}
