//! Where the current record of each object is: in memory, in about as many bytes as in the index file.
//!
//! Objects are grouped by the first 6 bytes of their ids, as in the file. A group is a sorted row of suffixes beside a row
//! of positions, 8 bytes an object; once it is at least half full, a row of 65,536 positions, at most 12 bytes an object.
//! Rows grow by a quarter: an object takes at most 10 bytes before that. (Ids that are scattered over
//! all 64 bits would have a group each; no storage hands out such.)

use std::collections::BTreeMap;

use crate::storage::Oid;

/// A position in 6 bytes, big-endian; 0 is none.
pub type Position = [u8; 6];

/// Objects that a group can hold.
pub const GROUP: usize = 1 << 16;
/// From here on a group is a row of all positions.
const MANY: usize = GROUP / 2;

/// Positions by object.
#[derive(Debug, Default)]
pub struct Index {
    groups: BTreeMap<u64, Group>,
    length: u64,
}

/// The objects with the same first 6 bytes.
#[derive(Debug)]
pub enum Group {
    /// Sorted suffixes, and the position of each.
    Few {
        /// The last 2 bytes of the ids.
        suffixes: Vec<u16>,
        /// Where they are.
        positions: Vec<Position>,
    },
    /// The position of each suffix.
    Many {
        /// All 65,536; 0 for those that are not there.
        positions: Vec<Position>,
        /// How many are there.
        count: usize,
    },
}

impl Index {
    /// Where an object's current record is.
    #[must_use]
    pub fn get(&self, oid: Oid) -> Option<u64> {
        let (prefix, suffix) = split(oid);
        self.groups.get(&prefix)?.get(suffix)
    }

    /// Sets where an object's current record is: less than 2^48, more than 0.
    pub fn insert(&mut self, oid: Oid, position: u64) {
        let (prefix, suffix) = split(oid);
        let group = self.groups.entry(prefix).or_insert_with(Group::empty);
        self.length += u64::from(group.insert(suffix, to_bytes(position)));
    }

    /// Takes an object out.
    pub fn remove(&mut self, oid: Oid) {
        let (prefix, suffix) = split(oid);
        let Some(group) = self.groups.get_mut(&prefix) else { return };
        self.length -= u64::from(group.remove(suffix));
        if group.length() == 0 {
            self.groups.remove(&prefix);
        }
    }

    /// Puts a whole group in; what was there of it is gone.
    pub(super) fn insert_group(&mut self, prefix: u64, group: Group) {
        self.length += group.length() as u64;
        if let Some(old) = self.groups.insert(prefix, group) {
            self.length -= old.length() as u64;
        }
    }

    /// Objects in it.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The largest id that is not above `most`, which ends a group.
    #[must_use]
    pub fn last_up_to(&self, most: Oid) -> Option<Oid> {
        let (prefix, group) = self.groups.range(..=split(most).0).next_back()?;
        group.last().map(|suffix| join(*prefix, suffix))
    }

    /// The first object at or after `from`, and where it is.
    #[must_use]
    pub fn first(&self, from: Oid) -> Option<(Oid, u64)> {
        let (start, suffix) = split(from);
        self.groups.range(start..).find_map(|(prefix, group)| {
            let (suffix, position) = group.first(if *prefix == start { suffix } else { 0 })?;
            Some((join(*prefix, suffix), position))
        })
    }

    /// The groups with their prefixes, in order.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &Group)> {
        self.groups.iter().map(|(prefix, group)| (*prefix, group))
    }
}

impl Group {
    fn empty() -> Self {
        Self::Few { suffixes: Vec::new(), positions: Vec::new() }
    }

    /// From rows of the same length, the suffixes sorted and each once, the positions above 0.
    pub(super) fn from_rows(suffixes: Vec<u16>, positions: Vec<Position>) -> Self {
        let count = suffixes.len();
        let mut group = Self::Few { suffixes, positions };
        if count >= MANY {
            group.spread();
        }
        group
    }

    /// Objects in it.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Few { suffixes, .. } => suffixes.len(),
            Self::Many { count, .. } => *count,
        }
    }

    fn get(&self, suffix: u16) -> Option<u64> {
        let position = match self {
            Self::Few { suffixes, positions } => positions[suffixes.binary_search(&suffix).ok()?],
            Self::Many { positions, .. } => positions[usize::from(suffix)],
        };
        Some(to_number(position)).filter(|position| *position != 0)
    }

    /// The first at or after a suffix.
    fn first(&self, from: u16) -> Option<(u16, u64)> {
        match self {
            Self::Few { suffixes, positions } => {
                let at = suffixes.partition_point(|suffix| *suffix < from);
                Some((*suffixes.get(at)?, to_number(positions[at])))
            }
            Self::Many { .. } => (from..=u16::MAX).find_map(|suffix| Some((suffix, self.get(suffix)?))),
        }
    }

    /// The last of all; a group is never empty.
    fn last(&self) -> Option<u16> {
        match self {
            Self::Few { suffixes, .. } => suffixes.last().copied(),
            Self::Many { .. } => (0..=u16::MAX).rev().find(|suffix| self.get(*suffix).is_some()),
        }
    }

    /// Whether the object is a new one.
    fn insert(&mut self, suffix: u16, position: Position) -> bool {
        match self {
            Self::Few { suffixes, positions } => {
                // Mostly the object is the newest of all.
                let after_all = suffixes.last().is_none_or(|last| *last < suffix);
                match if after_all { Err(suffixes.len()) } else { suffixes.binary_search(&suffix) } {
                    Ok(at) => {
                        positions[at] = position;
                        return false;
                    }
                    Err(at) => {
                        grow(suffixes);
                        grow(positions);
                        suffixes.insert(at, suffix);
                        positions.insert(at, position);
                    }
                }
                if suffixes.len() >= MANY {
                    self.spread();
                }
                true
            }
            Self::Many { positions, count } => {
                let old = std::mem::replace(&mut positions[usize::from(suffix)], position);
                let new = old == [0; 6];
                *count += usize::from(new);
                new
            }
        }
    }

    /// Whether the object was there.
    fn remove(&mut self, suffix: u16) -> bool {
        match self {
            Self::Few { suffixes, positions } => {
                let Ok(at) = suffixes.binary_search(&suffix) else { return false };
                suffixes.remove(at);
                positions.remove(at);
                true
            }
            Self::Many { positions, count } => {
                let old = std::mem::take(&mut positions[usize::from(suffix)]);
                let there = old != [0; 6];
                *count -= usize::from(there);
                there
            }
        }
    }

    fn spread(&mut self) {
        let mut all = vec![[0; 6]; GROUP];
        for (suffix, position) in self.entries() {
            all[usize::from(suffix)] = position;
        }
        *self = Self::Many { positions: all, count: self.length() };
    }

    /// Suffixes and positions, in order.
    pub fn entries(&self) -> Box<dyn Iterator<Item = (u16, Position)> + '_> {
        match self {
            Self::Few { suffixes, positions } => {
                Box::new(suffixes.iter().copied().zip(positions.iter().copied()))
            }
            Self::Many { positions, .. } => {
                let all = (0..=u16::MAX).zip(positions.iter().copied());
                Box::new(all.filter(|(_, position)| *position != [0; 6]))
            }
        }
    }
}

/// Room for one more: a quarter more at a time, not twice as much.
fn grow<T>(row: &mut Vec<T>) {
    if row.len() == row.capacity() {
        row.reserve_exact(row.len() / 4 + 4);
    }
}

fn split(oid: Oid) -> (u64, u16) {
    let bytes = oid.to_bytes();
    (oid.0 >> 16, u16::from_be_bytes([bytes[6], bytes[7]]))
}

fn join(prefix: u64, suffix: u16) -> Oid {
    Oid((prefix << 16) | u64::from(suffix))
}

fn to_bytes(position: u64) -> Position {
    let [_, _, bytes @ ..] = position.to_be_bytes();
    bytes
}

/// The number in 6 bytes.
pub(super) fn to_number(bytes: Position) -> u64 {
    let mut number = [0; 8];
    number[2..].copy_from_slice(&bytes);
    u64::from_be_bytes(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(index: &Index) -> BTreeMap<u64, u64> {
        let rows = index.groups().flat_map(|(prefix, group)| {
            group.entries().map(move |(suffix, position)| (join(prefix, suffix).0, to_number(position)))
        });
        rows.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn index_is_an_ordered_map(
            steps in prop::collection::vec((0..3_u64, 0..200_u16, 0..1_u64 << 48), 0..300),
            probe in 0..(3_u64 << 16),
        ) {
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for (prefix, suffix, position) in steps {
                // Suffixes at both ends.
                let suffix = if suffix % 2 == 0 { suffix } else { u16::MAX - suffix };
                let oid = join(prefix, suffix);
                if position % 4 == 0 {
                    index.remove(oid);
                    model.remove(&oid.0);
                } else {
                    index.insert(oid, position);
                    model.insert(oid.0, position);
                }
                prop_assert_eq!(index.get(oid), model.get(&oid.0).copied());
            }
            prop_assert_eq!(index.length(), model.len() as u64);
            prop_assert_eq!(index.last_up_to(Oid(u64::MAX)).map(|oid| oid.0), model.keys().next_back().copied());
            let next = model.range(probe..).next().map(|(oid, position)| (Oid(*oid), *position));
            prop_assert_eq!(index.first(Oid(probe)), next);
            prop_assert_eq!(index.get(Oid(probe)), model.get(&probe).copied());
            prop_assert_eq!(found(&index), model);
        }
    }

    #[test]
    fn full_group_is_the_same_as_a_small_one() {
        let mut index = Index::default();
        // Not in order, so that rows are inserted into.
        for n in 0..GROUP as u64 {
            let oid = (n * 40_503) % GROUP as u64;
            index.insert(Oid(oid), oid + 4);
            if n % 1000 == 0 {
                index.insert(Oid(oid), oid + 4);
            }
        }
        assert_eq!(index.length(), GROUP as u64);
        assert!((0..GROUP as u64).all(|oid| index.get(Oid(oid)) == Some(oid + 4)));
        assert_eq!(index.first(Oid(65_535)), Some((Oid(65_535), 65_539)));
        assert_eq!(index.first(Oid(65_536)), None);
        assert_eq!(found(&index).len(), GROUP);
    }

    #[test]
    fn object_takes_at_most_16_bytes() {
        let mut index = Index::default();
        for oid in 0..3 * GROUP as u64 {
            index.insert(Oid(oid), 4 + oid);
            if oid % 997 == 0 && oid > 100 {
                let row = |group: &Group| match group {
                    Group::Few { suffixes, positions } => suffixes.capacity() * 2 + positions.capacity() * 6,
                    Group::Many { positions, .. } => positions.capacity() * 6,
                };
                let bytes: usize = index.groups().map(|(_, group)| row(group)).sum();
                assert!(bytes as u64 <= 16 * index.length(), "{bytes} bytes for {}", index.length());
            }
        }
    }
}
