//! The directory of containers.
//!
//! ```text
//! <root>/           0700, ours
//!   <id>/
//!     state.json    the record, replaced whole
//!     lock          held by whoever changes something
//!     config.json   what it was made from, kept as it was then
//!     gate          the socket through which it is started, until it is
//!     scratch/      what its root file system writes
//!   .new-…/         a container that is not there yet
//! ```

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, fcntl_lock, fstat, openat,
    renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::{BundleError, ContainerId, Record};

/// The directory of containers.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// A container's directory, held open and perhaps locked.
#[derive(Debug)]
pub(super) struct Claim {
    id: ContainerId,
    path: PathBuf,
    directory: OwnedFd,
    /// A lock of the process and not of the descriptor: the container's process is a copy of ours
    /// and must not hold it on.
    lock: Option<OwnedFd>,
}

impl Store {
    /// Opens the directory of containers, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or belongs to or can be entered by somebody else.
    pub fn open(root: &Path) -> Result<Self, BundleError> {
        let about = |error| files(format!("use {}", root.display()), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(about)?;
        let found = fs::symlink_metadata(root).map_err(about)?;
        let is_ours = found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.mode() & 0o077 == 0;
        if !is_ours {
            let error = io::Error::other("it must be a directory of ours with mode 0700");
            return Err(about(error));
        }
        Ok(Self(root.to_owned()))
    }

    /// The names of all containers, in order.
    ///
    /// # Errors
    ///
    /// Those of reading the directory.
    pub fn list(&self) -> Result<Vec<ContainerId>, BundleError> {
        let about = |error| files(format!("read {}", self.0.display()), error);
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(about)? {
            let name = entry.map_err(about)?.file_name();
            all.extend(name.to_str().and_then(|it| it.parse::<ContainerId>().ok()));
        }
        all.sort();
        Ok(all)
    }

    /// Takes a name, with the record of what is about to be made and the configuration from which.
    pub(super) fn claim(
        &self,
        id: &ContainerId,
        intent: &Record,
        config: &str,
    ) -> Result<Claim, BundleError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let new = self.0.join(format!("{NEW}{}-{number}", std::process::id()));
        let about = |error| files(format!("make {}", new.display()), error);
        fs::DirBuilder::new().mode(0o700).create(&new).map_err(about)?;
        let claim = (|| {
            let mut claim = Claim::open(id, new.clone())?;
            claim.lock()?;
            // Nobody sees it before all of the directory is there.
            claim.write_new(RECORD, &claim.text_of(intent)?)?;
            claim.write_new(CONFIG, config.as_bytes())?;
            let scratch = claim.scratch();
            fs::DirBuilder::new().mode(0o700).create(&scratch).map_err(about)?;
            let path = self.0.join(id.as_str());
            match renameat_with(CWD, &new, CWD, &path, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => return Err(BundleError::Exists(id.clone())),
                result => result.map_err(|it| about(it.into()))?,
            }
            claim.path = path;
            Ok(claim)
        })();
        if claim.is_err() && fs::remove_dir_all(&new).is_err() {
            // Swept by whoever comes next.
        }
        claim
    }

    /// Opens a container's directory and waits until nobody else changes it.
    pub(super) fn lock(&self, id: &ContainerId) -> Result<Claim, BundleError> {
        let mut claim = self.look(id)?;
        claim.lock()?;
        // Whoever had the lock may have removed it.
        if claim.is_there() { Ok(claim) } else { Err(BundleError::Missing(id.clone())) }
    }

    /// Opens a container's directory to read in it.
    pub(super) fn look(&self, id: &ContainerId) -> Result<Claim, BundleError> {
        Claim::open(id, self.0.join(id.as_str()))
    }

    /// Removes what interrupted commands have left of containers that never were.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|it| it.starts_with(NEW)) else { continue };
            let path = self.0.join(name);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let is_abandoned = openat(CWD, &path, flags, Mode::empty()).is_ok_and(|directory| {
                // Between its making and its locking it is a moment old at most.
                let age = fstat(&directory).map(|it| age_seconds(it.st_ctime));
                age.is_ok_and(|it| it > 60) && is_unlocked(&directory)
            });
            if is_abandoned && fs::remove_dir_all(&path).is_err() {
                // The next one may have more luck; it names nothing that exists.
            }
        }
    }
}

impl Claim {
    fn open(id: &ContainerId, path: PathBuf) -> Result<Self, BundleError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(CWD, &path, flags, Mode::empty()) {
            Ok(directory) => Ok(Self { id: id.clone(), path, directory, lock: None }),
            Err(Errno::NOENT) => Err(BundleError::Missing(id.clone())),
            Err(errno) => Err(files(format!("open {}", path.display()), errno.into())),
        }
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    pub(super) fn gate(&self) -> PathBuf {
        self.path.join(GATE)
    }

    pub(super) fn has_gate(&self) -> bool {
        rustix::fs::statat(&self.directory, GATE, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    pub(super) fn remove_gate(&self) -> Result<(), BundleError> {
        match unlinkat(&self.directory, GATE, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(files("remove the gate".to_owned(), errno.into())),
        }
    }

    /// Replaces the record.
    pub(super) fn write(&self, record: &Record) -> Result<(), BundleError> {
        let about = |error| files(format!("write {}", self.path.join(RECORD).display()), error);
        self.write_new(NEW_RECORD, &self.text_of(record)?)?;
        rustix::fs::renameat(&self.directory, NEW_RECORD, &self.directory, RECORD)
            .map_err(|it| about(it.into()))
    }

    fn text_of(&self, record: &Record) -> Result<Vec<u8>, BundleError> {
        let about = |error| files(format!("write {}", self.path.join(RECORD).display()), error);
        serde_json::to_vec(record).map_err(|it| about(it.into()))
    }

    fn write_new(&self, name: &str, text: &[u8]) -> Result<(), BundleError> {
        let about = |error| files(format!("write {}", self.path.join(name).display()), error);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = openat(&self.directory, name, flags, mode).map_err(|it| about(it.into()))?;
        fs::File::from(file).write_all(text).map_err(about)
    }

    /// Reads the record: that of this container.
    pub(super) fn read(&self) -> Result<Record, BundleError> {
        let damaged = |why: String| BundleError::Damaged { id: self.id.clone(), why };
        let record = Record::parse(&self.read_file(RECORD)?).map_err(damaged)?;
        if record.id == self.id {
            Ok(record)
        } else {
            Err(damaged(format!("it is that of `{}`", record.id)))
        }
    }

    /// Reads the configuration from which the container was made.
    pub(super) fn read_config(&self) -> Result<String, BundleError> {
        self.read_file(CONFIG)
    }

    /// Reads a regular file of ours.
    fn read_file(&self, name: &str) -> Result<String, BundleError> {
        let damaged = |why: String| {
            let why = if name == RECORD { why } else { format!("{name}: {why}") };
            BundleError::Damaged { id: self.id.clone(), why }
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::empty())
            .map_err(|errno| damaged(io::Error::from(errno).to_string()))?;
        let file = fs::File::from(file);
        let found = file.metadata().map_err(|it| damaged(it.to_string()))?;
        if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(damaged("it is not a file of ours".to_owned()));
        }
        if found.len() > MAX_FILE {
            return Err(damaged("it is too long".to_owned()));
        }
        // One more, so that its end is seen without growing.
        let mut text = String::with_capacity(usize::try_from(found.len()).unwrap_or(0) + 1);
        file.take(MAX_FILE).read_to_string(&mut text).map_err(|it| damaged(it.to_string()))?;
        Ok(text)
    }

    /// Removes the directory, from under its name at once.
    pub(super) fn remove(self) -> Result<(), BundleError> {
        let about = |error| files(format!("remove {}", self.path.display()), error);
        // Without links being followed, by descriptor (CVE-2022-21658).
        fs::remove_dir_all(&self.path).map_err(about)
    }

    fn lock(&mut self) -> Result<(), BundleError> {
        let lock = open_lock(&self.directory, OFlags::CREATE)
            .map_err(|errno| files("open the lock".to_owned(), errno.into()))?;
        loop {
            match fcntl_lock(&lock, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(files("lock".to_owned(), errno.into())),
                Ok(()) => break,
            }
        }
        self.lock = Some(lock);
        Ok(())
    }

    /// Whether this directory is still the one under its name.
    fn is_there(&self) -> bool {
        let named = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW);
        match (named, fstat(&self.directory)) {
            (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
            _ => false,
        }
    }
}

fn is_unlocked(directory: &OwnedFd) -> bool {
    match open_lock(directory, OFlags::empty()) {
        Ok(lock) => fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(errno) => errno == Errno::NOENT,
    }
}

fn open_lock(directory: &OwnedFd, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    openat(directory, LOCK, flags, Mode::from_raw_mode(0o600))
}

fn age_seconds(since: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.ok().and_then(|it| i64::try_from(it.as_secs()).ok()).map_or(0, |now| now - since)
}

const fn files(what: String, error: io::Error) -> BundleError {
    BundleError::Files { what, error }
}

const RECORD: &str = "state.json";
const NEW_RECORD: &str = ".state.json";
const CONFIG: &str = "config.json";
const GATE: &str = "gate";
const LOCK: &str = "lock";
const NEW: &str = ".new-";
/// A configuration may be long; no container is worth reading more.
const MAX_FILE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn intent(id: &ContainerId) -> Record {
        Record::intent(id, "/bundle".into(), BTreeMap::new(), "stockade/x")
    }

    #[test]
    fn a_name_has_one_owner_and_the_record_is_there_with_it() {
        let all = tempfile::tempdir().unwrap();
        let store = Store::open(&all.path().join("state")).unwrap();
        let id: ContainerId = "app".parse().unwrap();
        let claim = store.claim(&id, &intent(&id), "{}").unwrap();
        assert_eq!(claim.read().unwrap().id, id);
        assert!(matches!(store.claim(&id, &intent(&id), "{}"), Err(BundleError::Exists(_))));
        assert_eq!(store.list().unwrap(), std::slice::from_ref(&id));
        // The loser has left nothing.
        assert_eq!(fs::read_dir(all.path().join("state")).unwrap().count(), 1);
        claim.remove().unwrap();
        assert!(matches!(store.lock(&id), Err(BundleError::Missing(_))));
    }

    #[test]
    fn a_directory_that_others_can_enter_is_not_used() {
        let all = tempfile::tempdir().unwrap();
        let open = all.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Store::open(&open).is_err());
        let target = all.path().join("target");
        fs::DirBuilder::new().mode(0o700).create(&target).unwrap();
        symlink(&target, all.path().join("link")).unwrap();
        assert!(Store::open(&all.path().join("link")).is_err());
    }

    #[test]
    fn what_is_not_our_record_is_not_believed() {
        let all = tempfile::tempdir().unwrap();
        let store = Store::open(&all.path().join("state")).unwrap();
        let id: ContainerId = "app".parse().unwrap();
        let other: ContainerId = "other".parse().unwrap();
        let claim = store.claim(&id, &intent(&id), "{}").unwrap();
        let file = claim.path.join(RECORD);
        let text = fs::read_to_string(&file).unwrap();

        claim.write(&intent(&other)).unwrap();
        assert!(claim.read().unwrap_err().to_string().contains("it is that of `other`"));
        for damaged in ["", "{", &text[..text.len() / 2], &format!("{text}x")] {
            fs::write(&file, damaged).unwrap();
            assert!(matches!(claim.read(), Err(BundleError::Damaged { .. })), "{damaged}");
        }
        fs::remove_file(&file).unwrap();
        fs::write(all.path().join("elsewhere"), &text).unwrap();
        symlink(all.path().join("elsewhere"), &file).unwrap();
        assert!(matches!(claim.read(), Err(BundleError::Damaged { .. })), "a link");
    }
}
