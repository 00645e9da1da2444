//! The only unsafe code of this crate: a shared mapping, seen as atomic words.

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

pub(crate) const WORD_BYTES: usize = size_of::<AtomicU64>();

/// A file mapped shared and writable. Its content is only ever touched through atomics, so that another
/// thread or process may read or write it at the same time without undefined behaviour.
pub(crate) struct SegmentMap {
    raw: MmapRaw,
}

impl SegmentMap {
    /// The file must have that size, and its blocks: a page without a block behind it is a SIGBUS when the
    /// disk is full.
    pub(crate) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        Ok(Self { raw: MmapOptions::new().len(bytes).map_raw(file)? })
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the pointer comes from mmap: page-aligned, so aligned for the word, and valid for reads and
        // writes of `len` bytes as long as `self.raw` lives, to which the slice is bound. Every bit pattern is
        // a valid word. No reference to the memory exists but such slices of atomics, whose accesses may race.
        // The file is never truncated by this crate while it is mapped: it is locked, preallocated, and
        // at most unlinked, which keeps its pages.
        unsafe {
            std::slice::from_raw_parts(self.raw.as_mut_ptr().cast::<AtomicU64>(), self.raw.len() / WORD_BYTES)
        }
    }

    /// Brings these bytes to the disk (`msync`, `MS_SYNC`).
    pub(crate) fn flush(&self, offset: usize, bytes: usize) -> io::Result<()> {
        self.raw.flush_range(offset, bytes)
    }
}
