//! The heap of the musl build.
//!
//! musl's own allocator maps and unmaps nearly every page by a call of its own, which is a tenth of
//! all calls of a container's start. `dlmalloc` keeps what it has; the lock around it is this one,
//! because the C library's mutex, taken and given back for each of a few thousand small pieces, was a
//! tenth of the time that a start spends in the program itself.
//!
//! Not a system call, but a thing that cannot be had without `unsafe`, which lives here only.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::yield_now;

use dlmalloc::Dlmalloc;

/// A heap behind a lock, to be a program's `#[global_allocator]`.
///
/// A thread that finds it taken gives way to the one that has it. A process that makes children by
/// copying itself must have one thread, as everywhere here: a copy of a taken lock is never given
/// back.
#[derive(Debug)]
pub struct Allocator {
    is_taken: AtomicBool,
    heap: UnsafeCell<Dlmalloc>,
}

impl Allocator {
    /// A heap without any memory yet.
    pub const fn new() -> Self {
        let mut heap = Dlmalloc::new();
        // Few starts need a second piece from the kernel; what is not touched costs nothing.
        heap.set_granularity(PIECE);
        Self { is_taken: AtomicBool::new(false), heap: UnsafeCell::new(heap) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        let mut attempts = 0_u32;
        while self.is_taken.swap(true, Ordering::Acquire) {
            attempts += 1;
            if attempts < SPINS { spin_loop() } else { yield_now() }
        }
        // SAFETY: the reference must be the only one. Whoever makes one has set the flag from false to
        // true, which one thread at a time can, and clears it after the last use of the reference; the
        // closures below neither allocate nor panic, so none is made within.
        let result = work(unsafe { &mut *self.heap.get() });
        self.is_taken.store(false, Ordering::Release);
        result
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: what is not `Sync` of itself is the heap, and `with` lets one thread at a time reach it. The
// heap has no tie to a thread: its memory comes from `mmap`.
unsafe impl Sync for Allocator {}

// SAFETY: each method gives the heap's own answer for the same size and alignment, which is what the
// trait asks for: fresh memory of that layout or null, and memory is only given back to the heap that it
// came from. No method unwinds.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero; the alignment is a power of two.
        self.with(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        self.with(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that the memory came from here with this layout, and that nobody
        // uses it any more.
        self.with(|heap| unsafe { heap.free(pointer, layout.size(), layout.align()) });
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as in `dealloc`; the caller promises a new size that is not zero and does not
        // overflow with its alignment.
        self.with(|heap| unsafe { heap.realloc(pointer, size, align, new_size) })
    }
}

/// What is asked of the kernel at once.
const PIECE: usize = 1 << 20;
/// Longer than another thread has it, unless that was interrupted.
const SPINS: u32 = 64;

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn threads_get_memory_of_their_own_and_keep_what_they_wrote() {
        let heap = Allocator::new();
        thread::scope(|scope| {
            for mark in 1..=4_u8 {
                let heap = &heap;
                scope.spawn(move || {
                    let mut kept: Vec<(*mut u8, Layout)> = Vec::new();
                    for round in 1..2000_usize {
                        let layout =
                            Layout::from_size_align(round % 300 + 1, 1 << (round % 7)).unwrap();
                        // SAFETY: the size is not zero.
                        let pointer = unsafe { heap.alloc(layout) };
                        assert!(
                            !pointer.is_null() && pointer.addr().is_multiple_of(layout.align())
                        );
                        // SAFETY: the memory is ours and of that size.
                        unsafe { pointer.write_bytes(mark, layout.size()) };
                        kept.push((pointer, layout));
                        if round % 3 == 0 {
                            let (pointer, layout) = kept.swap_remove(round % kept.len());
                            // SAFETY: it was written, all of it.
                            let bytes =
                                unsafe { std::slice::from_raw_parts(pointer, layout.size()) };
                            assert!(bytes.iter().all(|it| *it == mark), "{round}");
                            let larger = layout.size() * 2;
                            // SAFETY: it came from this heap with this layout.
                            let moved = unsafe { heap.realloc(pointer, layout, larger) };
                            // SAFETY: growing keeps what was there.
                            let bytes = unsafe { std::slice::from_raw_parts(moved, layout.size()) };
                            assert!(bytes.iter().all(|it| *it == mark), "{round}");
                            let layout = Layout::from_size_align(larger, layout.align()).unwrap();
                            // SAFETY: it came from this heap with this layout.
                            unsafe { heap.dealloc(moved, layout) };
                        }
                    }
                    for (pointer, layout) in kept {
                        // SAFETY: it came from this heap with this layout.
                        unsafe { heap.dealloc(pointer, layout) };
                    }
                });
            }
        });
        let layout = Layout::from_size_align(5000, 64).unwrap();
        // SAFETY: the size is not zero.
        let pointer = unsafe { heap.alloc_zeroed(layout) };
        // SAFETY: the memory is ours, and zeroed.
        let bytes = unsafe { std::slice::from_raw_parts(pointer, layout.size()) };
        assert!(bytes.iter().all(|it| *it == 0));
        // SAFETY: it came from this heap with this layout.
        unsafe { heap.dealloc(pointer, layout) };
    }
}
