//! No thread may be left when an image is here: unshare(2) and fork(2) come next.

use std::fs;
use std::time::{Duration, Instant};

/// Runs `work`, and returns when the threads that it started are gone.
///
/// A joined thread is still listed for a moment: the kernel wakes who waits for it before it takes
/// it off the list, and unshare(2) of a user namespace looks at the list.
pub(super) fn none_left<T>(work: impl FnOnce() -> T) -> T {
    let before = count();
    let result = work();
    let end = Instant::now() + PATIENCE;
    while count() > before && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    result
}

/// How many threads this process has; 0 if that cannot be known.
fn count() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

const PATIENCE: Duration = Duration::from_secs(2);
