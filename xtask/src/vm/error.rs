//! Why there is no report.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Why a guest gave no report.
#[derive(Debug, Error)]
pub enum GuestError {
    /// No kernel to boot.
    #[error("no cloud kernel in /boot; install linux-image-cloud-amd64")]
    NoKernel,

    /// The file is not a kernel.
    #[error("{0} is not an x86 kernel image")]
    NotAKernel(PathBuf),

    /// The kernel has no module of this name.
    #[error("no module `{name}` in {dir}")]
    NoModule {
        /// The name that was asked for.
        name: String,
        /// Where it was searched.
        dir: PathBuf,
    },

    /// Nothing but init exists when init starts, so it must be one file.
    #[error("{0} cannot be the guest's init: it is not static")]
    NotStatic(PathBuf),

    /// A program cannot be taken along.
    #[error("a shared library of {0} was not found")]
    NoLibraries(PathBuf),

    /// Neither a file nor a directory nor a link.
    #[error("cannot take {0} along: it is no file, directory or link")]
    NotAFile(PathBuf),

    /// Something on the host failed.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// The guest did not finish in time and was killed.
    #[error("the guest did not finish in {0:?}, after {1} results{2}")]
    TooSlow(Duration, usize, Console),

    /// The guest ended, or spoke nonsense, before all steps were done.
    #[error("the guest ended after {0} results{1}")]
    Ended(usize, Console),
}

impl GuestError {
    /// For `map_err`: "cannot `what` `path`".
    pub(super) fn io(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// What kernel, init and QEMU said, for a person to read.
#[derive(Debug, Error)]
#[error("{}", self.show())]
pub struct Console(pub String);

impl Console {
    fn show(&self) -> String {
        let lines: Vec<&str> = self.0.lines().collect();
        let last = lines.len().saturating_sub(SHOWN_LINES);
        lines[last..].iter().map(|line| format!("\n    {}", line.trim_end())).collect()
    }
}

const SHOWN_LINES: usize = 30;
