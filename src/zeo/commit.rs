//! The commit lock of a storage and the queue before it (ZEO-PROTOCOL section 8): who may vote, and when. It carries
//! nothing out.
//!
//! A voter gets the lock at once or stands in line. It holds it from its vote to its finish or abort; whoever releases it
//! gets the next one's ballot back, to carry it out. A voter can leave at any moment, also while its vote is carried
//! out. One that has met conflicts too often may keep the lock until it has resolved them.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// The lock and the line. `V` is a voter, `B` what it wants to have carried out, `T` what it holds after its vote.
#[derive(Debug)]
pub struct Queue<V, B, T> {
    holder: Option<Holder<V, T>>,
    line: VecDeque<(V, B)>,
    reservations: u64,
}

#[derive(Debug)]
struct Holder<V, T> {
    voter: V,
    since: SystemTime,
    stage: Stage<T>,
}

#[derive(Debug)]
enum Stage<T> {
    /// The vote is being carried out.
    Voting { abandoned: bool },
    /// It is; the client has the word since then.
    Voted { holds: T, since: Instant },
    /// It is being finished or aborted.
    Leaving,
    /// Its vote has met conflicts, and it will have the next one.
    Reserved(u64),
}

/// What comes of asking for a vote.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<B> {
    /// The lock is taken; the vote is to be carried out now.
    Now(B),
    /// So many are in line, this one the last of them.
    Waits(usize),
    /// It holds the lock already.
    Locked,
    /// It is in line already.
    Waiting,
}

/// What a voter left behind.
#[derive(Debug, PartialEq, Eq)]
pub enum Left<B, T> {
    /// Nothing: it was not there.
    Nothing,
    /// Its place in line.
    Place(B),
    /// A vote that is being carried out: whoever does that is told ([`Queue::voted`]).
    Voting,
    /// A vote; it is to be taken back, and then the lock released.
    Vote(T),
    /// A reservation; the lock is to be released.
    Reservation,
}

/// How a voter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not here.
    Absent,
    /// In line.
    Waiting,
    /// It has the lock, and its vote is not yet carried out.
    Voting,
    /// It has the lock, and its vote is carried out.
    Voted,
}

impl<V, B, T> Default for Queue<V, B, T> {
    fn default() -> Self {
        Self { holder: None, line: VecDeque::new(), reservations: 0 }
    }
}

impl<V: Clone + PartialEq, B, T> Queue<V, B, T> {
    /// How a voter stands. What it has given up it no longer has, though the lock is not yet free.
    pub fn standing(&self, voter: &V) -> Standing {
        match &self.holder {
            Some(Holder { voter: holder, stage: Stage::Voting { abandoned: false }, .. })
                if holder == voter =>
            {
                Standing::Voting
            }
            Some(Holder { voter: holder, stage: Stage::Voted { .. }, .. }) if holder == voter => {
                Standing::Voted
            }
            _ if self.line.iter().any(|(waiting, _)| waiting == voter) => Standing::Waiting,
            _ => Standing::Absent,
        }
    }

    /// A voter wants to vote.
    pub fn ask(&mut self, voter: &V, ballot: B, now: SystemTime) -> Turn<B> {
        match self.standing(voter) {
            Standing::Voting | Standing::Voted => return Turn::Locked,
            Standing::Waiting => return Turn::Waiting,
            Standing::Absent => {}
        }
        if let Some(Holder { voter: holder, stage: stage @ Stage::Reserved(_), .. }) = &mut self.holder
            && holder == voter
        {
            *stage = Stage::Voting { abandoned: false };
            return Turn::Now(ballot);
        }
        if self.holder.is_some() {
            self.line.push_back((voter.clone(), ballot));
            return Turn::Waits(self.line.len());
        }
        self.give(voter.clone(), now);
        Turn::Now(ballot)
    }

    fn give(&mut self, voter: V, since: SystemTime) {
        self.holder = Some(Holder { voter, since, stage: Stage::Voting { abandoned: false } });
    }

    /// The holder's vote is carried out. Gives `holds` back if the holder has left: it is to be taken back, and then the
    /// lock released.
    pub fn voted(&mut self, holds: T, now: Instant) -> Option<T> {
        let Some(holder) = &mut self.holder else { return Some(holds) };
        match holder.stage {
            Stage::Voting { abandoned: false } => {
                holder.stage = Stage::Voted { holds, since: now };
                None
            }
            _ => Some(holds),
        }
    }

    /// Instead of a release after a vote: the holder keeps the lock for its next vote. Gives a number for
    /// [`Queue::lapse`]; `None`: it has left, and the lock is to be released.
    pub fn reserve(&mut self) -> Option<u64> {
        let holder = self.holder.as_mut()?;
        let Stage::Voting { abandoned: false } = holder.stage else { return None };
        self.reservations += 1;
        holder.stage = Stage::Reserved(self.reservations);
        Some(self.reservations)
    }

    /// Ends a reservation that was not used; `false`: it was.
    pub fn lapse(&mut self, reservation: u64) -> bool {
        let Some(holder) = &mut self.holder else { return false };
        let unused = matches!(holder.stage, Stage::Reserved(number) if number == reservation);
        if unused {
            holder.stage = Stage::Leaving;
        }
        unused
    }

    /// Takes what a voter holds, for its finish; it keeps the lock until that is done.
    pub fn take(&mut self, voter: &V) -> Option<T> {
        let holder = self.holder.as_mut().filter(|holder| holder.voter == *voter)?;
        match std::mem::replace(&mut holder.stage, Stage::Leaving) {
            Stage::Voted { holds, .. } => Some(holds),
            other => {
                holder.stage = other;
                None
            }
        }
    }

    /// A voter goes, whatever it is doing.
    pub fn leave(&mut self, voter: &V) -> Left<B, T> {
        if let Some(at) = self.line.iter().position(|(waiting, _)| waiting == voter) {
            return self.line.remove(at).map_or(Left::Nothing, |(_, ballot)| Left::Place(ballot));
        }
        if let Some(holds) = self.take(voter) {
            return Left::Vote(holds);
        }
        match &mut self.holder {
            Some(Holder { voter: holder, stage: Stage::Voting { abandoned }, .. }) if holder == voter => {
                *abandoned = true;
                Left::Voting
            }
            Some(Holder { voter: holder, stage: stage @ Stage::Reserved(_), .. }) if holder == voter => {
                *stage = Stage::Leaving;
                Left::Reservation
            }
            _ => Left::Nothing,
        }
    }

    /// Whoever carried out the last step of the holder gives the lock on: the next ballot is to be carried out.
    pub fn release(&mut self, now: SystemTime) -> Option<B> {
        self.holder = None;
        let (voter, ballot) = self.line.pop_front()?;
        self.give(voter, now);
        Some(ballot)
    }

    /// Takes what a voter holds who has had the word for so long after its vote; as in [`Queue::leave`].
    pub fn expire(&mut self, limit: Duration, now: Instant) -> Option<(V, T)> {
        let holder = self.holder.as_ref()?;
        let Stage::Voted { since, .. } = &holder.stage else { return None };
        let overdue = now.saturating_duration_since(*since) >= limit;
        let voter = overdue.then(|| holder.voter.clone())?;
        self.take(&voter).map(|holds| (voter, holds))
    }

    /// When [`Queue::expire`] can have an answer at the earliest.
    pub fn next_overdue(&self, limit: Duration, now: Instant) -> Instant {
        match self.holder.as_ref().map(|holder| &holder.stage) {
            Some(Stage::Voted { since, .. }) => *since + limit,
            _ => now + limit,
        }
    }

    /// When the lock was taken; `None`: it is free.
    pub fn since(&self) -> Option<SystemTime> {
        self.holder.as_ref().map(|holder| holder.since)
    }

    /// How many are in line.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    type Line = Queue<char, &'static str, u32>;

    fn ask(queue: &mut Line, voter: char) -> Turn<&'static str> {
        queue.ask(&voter, "ballot", UNIX_EPOCH)
    }

    #[test]
    fn lock_goes_to_those_in_line_in_the_order_of_their_coming() {
        let (mut queue, now) = (Line::default(), Instant::now());
        assert_eq!(ask(&mut queue, 'a'), Turn::Now("ballot"));
        assert_eq!(ask(&mut queue, 'a'), Turn::Locked);
        assert_eq!(ask(&mut queue, 'b'), Turn::Waits(1));
        assert_eq!(ask(&mut queue, 'c'), Turn::Waits(2));
        assert_eq!(ask(&mut queue, 'b'), Turn::Waiting);
        assert_eq!(queue.take(&'a'), None);
        assert_eq!(queue.voted(7, now), None);
        assert_eq!(ask(&mut queue, 'a'), Turn::Locked);
        assert_eq!((queue.take(&'b'), queue.take(&'a'), queue.take(&'a')), (None, Some(7), None));
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        assert_eq!((queue.standing(&'b'), queue.standing(&'c')), (Standing::Voting, Standing::Waiting));
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        assert_eq!(queue.standing(&'c'), Standing::Voting);
        assert_eq!(queue.release(UNIX_EPOCH), None);
        assert_eq!(queue.since(), None);
        assert_eq!(ask(&mut queue, 'b'), Turn::Now("ballot"));
    }

    #[test]
    fn voter_can_leave_at_any_moment() {
        let (mut queue, now) = (Line::default(), Instant::now());
        assert_eq!(queue.leave(&'a'), Left::Nothing);
        for voter in ['a', 'b', 'c'] {
            ask(&mut queue, voter);
        }
        assert_eq!(queue.leave(&'b'), Left::Place("ballot"));
        assert_eq!(queue.leave(&'a'), Left::Voting);
        assert_eq!(queue.voted(7, now), Some(7));
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        assert_eq!(queue.voted(8, now), None);
        assert_eq!(queue.standing(&'c'), Standing::Voted);
        assert_eq!(queue.leave(&'c'), Left::Vote(8));
        assert_eq!(queue.leave(&'c'), Left::Nothing);
        assert_eq!(queue.release(UNIX_EPOCH), None);
    }

    #[test]
    fn who_has_left_may_ask_again_before_the_lock_is_free() {
        let (mut queue, now) = (Line::default(), Instant::now());
        ask(&mut queue, 'a');
        assert_eq!(queue.leave(&'a'), Left::Voting);
        assert_eq!((ask(&mut queue, 'a'), queue.standing(&'a')), (Turn::Waits(1), Standing::Waiting));
        assert_eq!(queue.voted(1, now), Some(1));
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        let reservation = queue.reserve().unwrap();
        assert!(queue.lapse(reservation));
        assert_eq!(ask(&mut queue, 'a'), Turn::Waits(1));
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        assert_eq!((queue.voted(2, now), queue.leave(&'a')), (None, Left::Vote(2)));
        assert_eq!(ask(&mut queue, 'a'), Turn::Waits(1));
    }

    #[test]
    fn reservation_is_for_the_next_vote_and_ends() {
        let mut queue = Line::default();
        ask(&mut queue, 'a');
        ask(&mut queue, 'b');
        let first = queue.reserve().unwrap();
        assert_eq!((queue.standing(&'a'), queue.take(&'a')), (Standing::Absent, None));
        assert_eq!(ask(&mut queue, 'c'), Turn::Waits(2));
        assert_eq!(ask(&mut queue, 'a'), Turn::Now("ballot"));
        assert!(!queue.lapse(first));
        let second = queue.reserve().unwrap();
        assert!(!queue.lapse(first));
        assert!(queue.lapse(second));
        assert_eq!(queue.leave(&'a'), Left::Nothing);
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        queue.reserve().unwrap();
        assert_eq!(queue.leave(&'b'), Left::Reservation);
        assert_eq!(queue.release(UNIX_EPOCH), Some("ballot"));
        assert_eq!(queue.leave(&'c'), Left::Voting);
        assert_eq!(queue.reserve(), None);
    }

    #[test]
    fn only_the_time_after_the_vote_counts() {
        let (mut queue, begin) = (Line::default(), Instant::now());
        let limit = Duration::from_secs(10);
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(queue.next_overdue(limit, at(3)), at(13));
        ask(&mut queue, 'a');
        assert_eq!(queue.expire(limit, at(99)), None);
        queue.voted(1, at(100));
        assert_eq!((queue.expire(limit, at(109)), queue.next_overdue(limit, at(105))), (None, at(110)));
        assert_eq!(queue.expire(limit, at(110)), Some(('a', 1)));
        assert_eq!((queue.expire(limit, at(111)), queue.take(&'a')), (None, None));
    }
}
