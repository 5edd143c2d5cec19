//! How much to read of a record whose length is in the record: a guess by those read before.
//!
//! What is read in vain is copied from the page cache, where it is not near the processor; what is missing takes a
//! second call. So the guess goes up to a longer record at once, and comes down slowly while they are shorter.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest guess: beyond, a call more is little beside the copying.
pub const MOST: usize = 2000;
/// The shortest.
const LEAST: usize = 64;
/// By which part of the way to a shorter record it comes down.
const SLOWNESS: usize = 64;

/// A guess that all threads share. It is right or wrong, never harmful, so no two of them wait for each other.
#[derive(Debug)]
pub struct Guess(AtomicUsize);

impl Default for Guess {
    fn default() -> Self {
        Self(AtomicUsize::new(MOST))
    }
}

impl Guess {
    /// So many bytes of data, at most [`MOST`].
    pub fn length(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A record had so many. Those longer than any guess need a second call whatever is guessed.
    pub fn learn(&self, length: u64) {
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(LEAST);
        let guess = self.length();
        let better =
            if length > MOST { guess } else { length.max(guess - guess.saturating_sub(length) / SLOWNESS) };
        if better != guess {
            self.0.store(better, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(guess: &Guess, lengths: impl IntoIterator<Item = u64>) -> usize {
        lengths.into_iter().for_each(|length| guess.learn(length));
        guess.length()
    }

    #[test]
    fn records_of_one_length_are_read_with_little_more() {
        let guess = Guess::default();
        let after = learnt(&guess, [300; 500]);
        assert!((300..300 + SLOWNESS).contains(&after), "{after}");
        assert_eq!(learnt(&guess, [300; 500]), after);
        assert!(learnt(&guess, [0; 1000]) < LEAST + SLOWNESS);
    }

    #[test]
    fn longer_record_is_learnt_at_once_and_forgotten_slowly() {
        let guess = Guess::default();
        learnt(&guess, [300; 500]);
        assert_eq!(learnt(&guess, [1500]), 1500);
        assert!(learnt(&guess, [300; 20]) > 1100);
        assert!(learnt(&guess, [300; 500]) < 300 + SLOWNESS);
    }

    #[test]
    fn record_beyond_all_guesses_changes_none() {
        let guess = Guess::default();
        let before = learnt(&guess, [300; 500]);
        assert_eq!(learnt(&guess, [MOST as u64 + 1, u64::MAX]), before);
        assert_eq!(learnt(&guess, [MOST as u64]), MOST);
    }

    #[test]
    fn few_records_of_mixed_lengths_are_read_twice() {
        // Lengths as of a site: most short, few long.
        let lengths = (0..100_000_u64).map(|n| {
            let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
            120 + (200 << 20) / (random + 0x20000)
        });
        let (guess, mut twice) = (Guess::default(), 0);
        for length in lengths {
            twice += u32::from(length > guess.length() as u64 && length <= MOST as u64);
            guess.learn(length);
        }
        assert!(twice < 5_000, "{twice} of 100,000");
    }
}
