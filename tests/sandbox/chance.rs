//! Chance that can be had again: the seed is `ZEO_SEED`; without it, new each time in the long form and always the same in
//! the short one, whose verdict on a change must be about the change. A test that fails names it.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// The seed of the short form.
const SHORT_SEED: u64 = 20_030_124;

/// A sequence of numbers (`SplitMix64`; Steele, Lea and Flood, 2014).
pub(crate) struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// The sequence of this run.
    pub(crate) fn new() -> Self {
        let given = env::var("ZEO_SEED").ok().map(|seed| seed.parse().expect("ZEO_SEED is a number"));
        let fresh = || if super::is_long() { RandomState::new().hash_one(()) } else { SHORT_SEED };
        let seed = given.unwrap_or_else(fresh);
        Self::of(seed)
    }

    /// The sequence of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// What makes the same sequence again.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, but without, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).expect("32 bits")) / f64::from(u32::MAX)
    }

    /// From 0 up to, but without, `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("64 bits")).expect("it is below a usize")
    }
}
