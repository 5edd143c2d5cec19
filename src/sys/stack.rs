//! The stack on which a new process runs until it is a program.
#![allow(unsafe_code)] // mapped memory

use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Its size in bytes: the deepest call of a new process holds a buffer of 1 KiB.
const STACK: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();

/// Fresh memory of which only the pages that are used come to be, and go again with the value: on the heap all would be
/// touched, and kept.
pub(super) struct Stack(NonNull<libc::c_void>);

impl Stack {
    pub(super) fn new() -> io::Result<Self> {
        let (protection, flags) =
            (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK);
        // SAFETY: a mapping of its own, wherever the kernel likes.
        let mapped = unsafe { mmap_anonymous(None, STACK, protection, flags) };
        Ok(Self(mapped?))
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped, of that size, zero, and nobody else's for as long as this value is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().cast(), STACK.get()) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: what was mapped; nothing refers to it any more.
        let unmapped = unsafe { munmap(self.0, STACK.get()) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}
