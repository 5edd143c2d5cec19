//! Memory that a process which runs for years need not keep.
#![allow(unsafe_code)] // madvise and malloc_trim take raw addresses

use std::ptr;

use nix::libc;

unsafe extern "C" {
    /// Where the program's image begins, and the end of its code (ld(1), end(3)); only the addresses have a meaning.
    static __executable_start: u8;
    static etext: u8;
}

/// Gives back free heap.
pub fn release_heap() {
    // SAFETY: frees only what malloc holds as free.
    unsafe { libc::malloc_trim(0) };
}

/// Gives back free heap, and the pages of the program file: reading options and configuration touches far more of them
/// than the loop that follows, and they would count as ours for as long as no other process wants memory.
pub fn release_unused() {
    // The largest page of any Linux: a multiple of the size that this system has.
    const PAGE: usize = 64 * 1024;
    let [start, end] = [&raw const __executable_start, &raw const etext].map(<*const u8>::addr);
    let (start, end) = (start.next_multiple_of(PAGE), end / PAGE * PAGE);
    // SAFETY: frees only what malloc holds as free. The range is between the beginning and the end of what the linker
    // has put before everything that can be written to: what is dropped is mapped again from the file at the next
    // touch (madvise(2), MADV_DONTNEED).
    unsafe {
        libc::malloc_trim(0);
        libc::madvise(ptr::without_provenance_mut(start), end.saturating_sub(start), libc::MADV_DONTNEED);
    }
}
