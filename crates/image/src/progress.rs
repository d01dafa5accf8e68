//! How far a long step is. Knows nothing of terminals.

use std::io::{self, Read};

/// Hears how far a long step is.
pub trait Progress {
    /// Called now and then while `what` goes on, with the bytes done and, where it is known, the
    /// bytes there are to do.
    fn step(&mut self, what: &str, done: u64, total: Option<u64>);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _: &str, _: u64, _: Option<u64>) {}
}

/// A reader that reports what passes through it.
pub(crate) struct Watched<'a, R> {
    inner: R,
    progress: &'a mut dyn Progress,
    what: &'a str,
    done: u64,
    reported: u64,
    total: Option<u64>,
}

impl<'a, R: Read> Watched<'a, R> {
    pub(crate) fn new(
        inner: R,
        progress: &'a mut dyn Progress,
        what: &'a str,
        total: Option<u64>,
    ) -> Self {
        progress.step(what, 0, total);
        Self { inner, progress, what, done: 0, reported: 0, total }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done += count as u64;
        let is_end = count == 0 && self.reported < self.done;
        if is_end || self.done - self.reported >= REPORT_EVERY {
            self.reported = self.done;
            self.progress.step(self.what, self.done, self.total);
        }
        Ok(count)
    }
}

/// Bytes between two reports: often enough for the eye, too seldom to cost anything.
pub(crate) const REPORT_EVERY: u64 = 1 << 20;
