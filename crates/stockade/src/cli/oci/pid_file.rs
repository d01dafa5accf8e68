//! The file that tells an engine which process a container is.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::answer::Failure;

/// Writes the number of a process, so that a reader sees all of it or nothing. A link that somebody
/// has put there is replaced and not followed.
pub(super) fn write(path: &Path, pid: i32) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::unanswered(format!("{}: {error}", path.display()));
    let name = path
        .file_name()
        .ok_or_else(|| Failure::question(format!("`{}` does not name a file", path.display())))?;
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(new);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&new)
        .and_then(|mut file| file.write_all(pid.to_string().as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What was there before us is not ours to remove, and has another owner or is a link.
        let is_ours = fs::symlink_metadata(&new).is_ok_and(|it| it.is_file());
        if is_ours && fs::remove_file(&new).is_err() {
            // It is gone already.
        }
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_replaced_and_never_written_through() {
        let all = tempfile::tempdir().unwrap();
        let (path, target) = (all.path().join("pid"), all.path().join("target"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &path).unwrap();
        write(&path, 42).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "42");
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");

        let new = all.path().join(format!(".other.{}", std::process::id()));
        symlink(&target, &new).unwrap();
        assert!(write(&all.path().join("other"), 42).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(write(&all.path().join("missing/pid"), 42).is_err());
        assert!(write(Path::new("/"), 42).is_err());
    }
}
