//! Bytes on their way to a client, in the pieces in which they were made: small ones are joined, so that they leave with one
//! write; large ones are moved or shared, never copied again.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// Longest message that is copied behind the one before it: above, a write of its own costs less.
const MAX_JOINED_BYTES: usize = 16 << 10;
/// How far joining makes a piece grow.
const MAX_GROWN_BYTES: usize = 64 << 10;
/// Largest buffer that is kept for later bytes once its own are gone.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// A queue of bytes.
#[derive(Debug, Default)]
pub struct Chunks {
    queue: VecDeque<Chunk>,
    /// Bytes in the queue.
    length: usize,
    /// Bytes of the first chunk that are no longer in the queue.
    consumed: usize,
    /// An empty buffer for the next bytes.
    spare: Vec<u8>,
}

#[derive(Debug)]
enum Chunk {
    Owned(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Chunks {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a copy.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if let Some(last) = self.joinable(bytes.len()) {
            last.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            let mut chunk = mem::take(&mut self.spare);
            chunk.extend_from_slice(bytes);
            self.queue.push_back(Chunk::Owned(chunk));
        }
    }

    /// Appends the bytes of a buffer, which is empty afterwards.
    pub fn push_buffer(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() || self.joinable(bytes.len()).is_some() {
            self.push(bytes);
            bytes.clear();
        } else {
            self.length += bytes.len();
            self.queue.push_back(Chunk::Owned(mem::replace(bytes, mem::take(&mut self.spare))));
        }
    }

    /// Appends what other queues may have as well.
    pub fn push_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() <= MAX_JOINED_BYTES {
            self.push(bytes);
        } else {
            self.length += bytes.len();
            self.queue.push_back(Chunk::Shared(bytes.clone()));
        }
    }

    /// Moves all of another queue, of which nothing is consumed, to the end of this one.
    pub fn append(&mut self, other: &mut Self) {
        other.length = 0;
        for chunk in other.queue.drain(..) {
            match chunk {
                Chunk::Owned(mut bytes) => self.push_buffer(&mut bytes),
                Chunk::Shared(bytes) => self.push_shared(&bytes),
            }
        }
    }

    /// The last chunk, if so many bytes are better copied to its end than made a chunk of their own.
    fn joinable(&mut self, length: usize) -> Option<&mut Vec<u8>> {
        match self.queue.back_mut() {
            Some(Chunk::Owned(last))
                if length <= MAX_JOINED_BYTES
                    && last.len() + length <= last.capacity().max(MAX_GROWN_BYTES) =>
            {
                Some(last)
            }
            _ => None,
        }
    }

    /// The first bytes, as many as lie together; none: the queue is empty.
    pub fn front(&self) -> &[u8] {
        self.queue.front().map_or(&[], |chunk| &chunk.bytes()[self.consumed..])
    }

    /// Takes so many of [`Chunks::front`] out.
    pub fn consume(&mut self, count: usize) {
        self.consumed += count;
        self.length -= count;
        if self.front().is_empty() {
            self.consumed = 0;
            if let Some(Chunk::Owned(mut buffer)) = self.queue.pop_front()
                && buffer.capacity() <= MAX_KEPT_BYTES
                && buffer.capacity() > self.spare.capacity()
            {
                buffer.clear();
                self.spare = buffer;
            }
        }
    }

    /// Takes all bytes out, to the end of `out`.
    pub fn drain_into(&mut self, out: &mut Vec<u8>) {
        while !self.is_empty() {
            out.extend_from_slice(self.front());
            self.consume(self.front().len());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in_however_they_are_put_and_taken(
            steps in prop::collection::vec((0_u8..5, prop_oneof![0_usize..40, 0_usize..100_000]), 0..40),
        ) {
            let (mut chunks, mut expected, mut found) = (Chunks::default(), Vec::new(), Vec::new());
            for (n, (kind, length)) in steps.into_iter().enumerate() {
                let mut bytes = vec![u8::try_from(n).unwrap(); length];
                if kind < 4 {
                    expected.extend_from_slice(&bytes);
                }
                match kind {
                    0 => chunks.push(&bytes),
                    1 => chunks.push_buffer(&mut bytes),
                    2 => chunks.push_shared(&Arc::new(bytes)),
                    3 => {
                        let mut other = Chunks::default();
                        other.push(&bytes[..length / 2]);
                        other.push_shared(&Arc::new(bytes.split_off(length / 2)));
                        chunks.append(&mut other);
                        prop_assert!(other.is_empty() && other.front().is_empty());
                    }
                    _ => {
                        let some = chunks.front();
                        let count = length.min(some.len());
                        found.extend_from_slice(&some[..count]);
                        chunks.consume(count);
                    }
                }
                prop_assert_eq!(chunks.len(), expected.len() - found.len());
                prop_assert_eq!(chunks.is_empty(), chunks.front().is_empty());
            }
            chunks.drain_into(&mut found);
            prop_assert!(found == expected && chunks.is_empty());
        }
    }

    #[test]
    fn large_bytes_are_not_copied_and_small_ones_leave_together() {
        let mut chunks = Chunks::default();
        let (mut large, shared) = (vec![1; 1 << 20], Arc::new(vec![2; 1 << 20]));
        let at = (large.as_ptr(), shared.as_ptr());
        chunks.push_buffer(&mut large);
        chunks.push_shared(&shared);
        assert_eq!(chunks.front().as_ptr(), at.0);
        chunks.consume(1 << 20);
        assert_eq!(chunks.front().as_ptr(), at.1);
        chunks.consume(1 << 20);
        for _ in 0..100 {
            chunks.push(b"small");
        }
        assert_eq!(chunks.front().len(), 500);
    }

    #[test]
    fn buffer_is_used_again() {
        let mut chunks = Chunks::default();
        let mut buffer = Vec::with_capacity(1000);
        let at = buffer.as_ptr();
        for _ in 0..2 {
            buffer.push(1);
            chunks.push_buffer(&mut buffer);
            chunks.consume(1);
        }
        buffer.push(1);
        chunks.push_buffer(&mut buffer);
        assert_eq!(chunks.front().as_ptr(), at);
    }
}
