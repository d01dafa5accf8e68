//! Where pods are on disk.
//!
//! ```text
//! <run>/pods/<namespace>/<name>/
//!     lock            held by the supervisor as long as it lives
//!     record.json     what was said and where it was meant to run; written before anything is made
//!     status.json     what became of it
//!     made.json       what has to be removed: cgroup, scratch directory
//!     etc/            hosts, hostname, resolv.conf
//!     volumes/<name>  where volumes in memory are mounted, in the supervisor's own mount namespace, too
//!     shm/            where the pod's /dev/shm is mounted, in the supervisor's own mount namespace
//!     logs/<container>
//! ```
//!
//! Files are replaced by rename, so that a reader sees the old or the new one and a crash leaves no
//! half. Names come from manifests and were checked to be DNS labels; they are checked again here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kept::Made;
use crate::cgroup::CgroupPath;
use crate::remove::remove_tree;
use crate::site::{Known, Life};

/// A pod by namespace and name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PodId {
    namespace: String,
    name: String,
}

impl PodId {
    /// `None` if either is not a DNS name: they become names of directories.
    pub fn new(namespace: &str, name: &str) -> Option<Self> {
        let valid = |it: &str| {
            let edge = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
            (1..=253).contains(&it.len())
                && edge(it.chars().next())
                && edge(it.chars().last())
                && it.chars().all(|it| {
                    it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '.'
                })
        };
        let both = valid(namespace) && valid(name);
        both.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// All pods of this machine (or of this user).
#[derive(Clone, Debug)]
pub struct Pods {
    root: PathBuf,
}

/// Whether somebody looks after a pod.
#[derive(Debug)]
pub enum Vacancy {
    /// Its supervisor lives.
    Supervised,
    /// Nobody does; the lock is ours while this value lives.
    Vacant(File),
}

impl Pods {
    /// Pods below `run`, which need not exist yet.
    pub fn below(run: &Path) -> Self {
        Self { root: run.join("pods") }
    }

    /// The directory of a pod, which need not exist.
    pub fn pod(&self, id: &PodId) -> PodDirectory {
        PodDirectory { path: self.root.join(&id.namespace).join(&id.name), id: id.clone() }
    }

    /// Every pod that there is, by namespace and name.
    ///
    /// # Errors
    ///
    /// Those of reading the directories.
    pub fn all(&self) -> io::Result<Vec<PodDirectory>> {
        let mut found = Vec::new();
        for namespace in names(&self.root)? {
            for name in names(&self.root.join(&namespace))? {
                found.extend(PodId::new(&namespace, &name).map(|id| self.pod(&id)));
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => {
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        }
    }
}

/// The directory of one pod.
#[derive(Clone, Debug)]
pub struct PodDirectory {
    path: PathBuf,
    id: PodId,
}

impl PodDirectory {
    /// What is said about one of the pod's containers to others.
    pub fn known(&self, container: &str, life: Life) -> Known {
        let PodId { namespace, name } = &self.id;
        Known {
            id: format!("{namespace}/{name}/{container}"),
            bundle: self.path.clone(),
            annotations: BTreeMap::new(),
            life,
        }
    }

    /// Whose it is.
    pub const fn id(&self) -> &PodId {
        &self.id
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether there is such a pod.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`: there is such a pod; of two that try at once one gets this.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        if let Some(parent) = self.path.parent() {
            DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
        }
        builder.create(&self.path)?;
        for below in ["etc", "shm", "volumes", "logs"] {
            builder.create(self.path.join(below))?;
        }
        // Seen by the container's users, through bind mounts.
        for below in ["etc", "shm"] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(self.path.join(below), mode)?;
        }
        Ok(())
    }

    /// Asks whether a supervisor lives. Makes nothing: a directory that is being removed must not get
    /// a new file from whoever looks at it.
    ///
    /// # Errors
    ///
    /// Those of opening the lock; `NotFound` if there is no such pod any more.
    pub fn vacancy(&self) -> io::Result<Vacancy> {
        match File::open(self.path.join("lock")) {
            Ok(lock) => Self::try_lock(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Vacancy::Vacant(File::open(&self.path)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the place of a supervisor if none lives.
    ///
    /// # Errors
    ///
    /// Those of opening the lock.
    pub(crate) fn claim(&self) -> io::Result<Vacancy> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        Self::try_lock(options.open(self.path.join("lock"))?)
    }

    fn try_lock(lock: File) -> io::Result<Vacancy> {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Vacancy::Vacant(lock)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Vacancy::Supervised),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Replaces a file of the pod, on disk when this returns.
    ///
    /// # Errors
    ///
    /// Those of writing it; the old one is then still there.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.write_text(name, &serde_json::to_vec_pretty(value)?)
    }

    /// The same with a text of the caller's.
    ///
    /// # Errors
    ///
    /// As [`PodDirectory::write`].
    pub fn write_text(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let fresh = self.path.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(text)?;
        file.sync_data()?;
        fs::rename(&fresh, self.path.join(name))
    }

    /// The cgroup of the pod's containers; `None` before the supervisor made it.
    ///
    /// # Errors
    ///
    /// Those of reading the pod's files.
    pub fn cgroup(&self) -> io::Result<Option<CgroupPath>> {
        let made = self.read::<Made>(Made::FILE)?;
        made.map(|it| it.cgroup.parse().map_err(io::Error::other)).transpose()
    }

    /// Reads a file of the pod; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// Those of reading it; `InvalidData` if it is not what this build writes.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.path.join(name)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the directory, last of all: while it is there, what was made can be found.
    ///
    /// # Errors
    ///
    /// Those of removing; that it is gone already is none.
    pub fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)?;
        if let Some(namespace) = self.path.parent() {
            // Fails as long as other pods are in there, which is as it should be.
            fs::remove_dir(namespace).ok();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_at_a_pod_makes_nothing_in_it() {
        let run = tempfile::tempdir().unwrap();
        let pod = Pods::below(run.path()).pod(&PodId::new("default", "p").unwrap());
        assert_eq!(pod.vacancy().unwrap_err().kind(), io::ErrorKind::NotFound);
        pod.make().unwrap();
        assert!(matches!(pod.vacancy().unwrap(), Vacancy::Vacant(_)));
        assert!(!pod.join("lock").exists());

        let Vacancy::Vacant(lock) = pod.claim().unwrap() else { panic!("nobody has it") };
        assert!(matches!(pod.vacancy().unwrap(), Vacancy::Supervised));
        assert!(matches!(pod.claim().unwrap(), Vacancy::Supervised));
        drop(lock);
        assert!(matches!(pod.vacancy().unwrap(), Vacancy::Vacant(_)));
    }
}
