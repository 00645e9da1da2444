//! mimalloc, asked in the way that it answers fastest.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mimalloc;

/// Every block of mimalloc is aligned to this, if it is at least as large.
const ALIGNED_ANYHOW: usize = 16;

/// The crate `mimalloc` asks for an aligned block each time, which takes a longer way through the
/// allocator for one block in five of ours.
pub struct Allocator;

/// Gives what is free back to the system: by itself the allocator does so only where threads go on
/// freeing, and what a start or a large snapshot took would stay.
pub fn give_back() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { mimalloc::mi_collect(true) }
}

fn is_plain(layout: Layout) -> bool {
    layout.align() <= ALIGNED_ANYHOW && layout.align() <= layout.size()
}

// SAFETY: all of them pass on what mimalloc promises: blocks of at least the size that was asked for,
// aligned to 16 bytes if they are as large, to the next smaller power of two otherwise, and to what was
// asked for by the aligned calls; any of its blocks may be freed by `mi_free`.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: these take any size and any power of two.
        unsafe {
            if is_plain(layout) {
                mimalloc::mi_malloc(layout.size()).cast()
            } else {
                mimalloc::mi_malloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_plain(layout) {
                mimalloc::mi_zalloc(layout.size()).cast()
            } else {
                mimalloc::mi_zalloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller has it from here.
        unsafe { mimalloc::mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller has it from here.
        unsafe {
            if layout.align() <= ALIGNED_ANYHOW && layout.align() <= size {
                mimalloc::mi_realloc(block.cast(), size).cast()
            } else {
                mimalloc::mi_realloc_aligned(block.cast(), size, layout.align()).cast()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_as_asked() {
        for align in [1_usize, 2, 4, 8, 16, 32, 64, 128, 4_096] {
            for size in (1..300).chain([1_000, 5_000, 70_000]) {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the size isn't 0, and each block is freed once, with its own layout.
                unsafe {
                    for block in [Allocator.alloc(layout), Allocator.alloc_zeroed(layout)] {
                        assert!(!block.is_null() && block.addr().is_multiple_of(align), "{size} {align}");
                        block.write_bytes(7, size);
                        let block = Allocator.realloc(block, layout, size * 2);
                        assert!(!block.is_null() && block.addr().is_multiple_of(align), "{size} {align}");
                        assert_eq!(block.add(size - 1).read(), 7);
                        Allocator.dealloc(block, Layout::from_size_align(size * 2, align).unwrap());
                    }
                }
            }
        }
    }
}
