//! The commit lock of ZEO's clients and the queue before it (ZEO-PROTOCOL section 8): which client may vote, and when. It runs
//! no votes.
//!
//! A voter gets the lock at once or waits in the queue. It holds it from its vote to its finish or abort; the release
//! returns the next request, to be run. A voter can leave at any moment, also while its vote is run. One that has met
//! conflicts too often may keep the lock until it has resolved them.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// The lock and its queue. `V` is a voter, `B` its request, `T` what it holds after its vote.
#[derive(Debug)]
pub struct CommitLock<V, B, T> {
    holder: Option<Holder<V, T>>,
    queue: VecDeque<(V, B)>,
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
    /// The vote is running.
    Voting { abandoned: bool },
    /// It is accepted; it is the client's turn since then.
    Voted { holds: T, since: Instant },
    /// It is being finished or aborted.
    Leaving,
    /// Its vote has met conflicts, and it will have the next one.
    Reserved(u64),
}

/// The answer to a request for a vote.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<B> {
    /// The lock is taken; the vote is to be run now.
    Granted(B),
    /// So many are in the queue, this one the last of them.
    Waits(usize),
    /// It holds the lock already.
    HoldsIt,
    /// It is in the queue already.
    WaitsAlready,
}

/// What a voter left behind.
#[derive(Debug, PartialEq, Eq)]
pub enum Departure<B, T> {
    /// Nothing: it was not there.
    Nothing,
    /// Its place in the queue.
    Place(B),
    /// A vote that is running: [`CommitLock::voted`] says so at its end.
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
    /// In the queue.
    Waiting,
    /// It has the lock, and its vote is running.
    Voting,
    /// It has the lock, and its vote is accepted.
    Voted,
}

impl<V, B, T> Default for CommitLock<V, B, T> {
    fn default() -> Self {
        Self { holder: None, queue: VecDeque::new(), reservations: 0 }
    }
}

impl<V: Clone + PartialEq, B, T> CommitLock<V, B, T> {
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
            _ if self.queue.iter().any(|(waiting, _)| waiting == voter) => Standing::Waiting,
            _ => Standing::Absent,
        }
    }

    /// A voter wants to vote.
    pub fn ask(&mut self, voter: &V, request: B, now: SystemTime) -> Admission<B> {
        match self.standing(voter) {
            Standing::Voting | Standing::Voted => return Admission::HoldsIt,
            Standing::Waiting => return Admission::WaitsAlready,
            Standing::Absent => {}
        }
        if let Some(Holder { voter: holder, stage: stage @ Stage::Reserved(_), .. }) = &mut self.holder
            && holder == voter
        {
            *stage = Stage::Voting { abandoned: false };
            return Admission::Granted(request);
        }
        if self.holder.is_some() {
            self.queue.push_back((voter.clone(), request));
            return Admission::Waits(self.queue.len());
        }
        self.give(voter.clone(), now);
        Admission::Granted(request)
    }

    fn give(&mut self, voter: V, since: SystemTime) {
        self.holder = Some(Holder { voter, since, stage: Stage::Voting { abandoned: false } });
    }

    /// The holder's vote is accepted. Gives `holds` back if the holder has left: it is to be taken back, and then the
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
    /// [`CommitLock::expire_reservation`]; `None`: it has left, and the lock is to be released.
    pub fn reserve(&mut self) -> Option<u64> {
        let holder = self.holder.as_mut()?;
        let Stage::Voting { abandoned: false } = holder.stage else { return None };
        self.reservations += 1;
        holder.stage = Stage::Reserved(self.reservations);
        Some(self.reservations)
    }

    /// Ends a reservation that was not used; `false`: it was.
    pub fn expire_reservation(&mut self, reservation: u64) -> bool {
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
    pub fn leave(&mut self, voter: &V) -> Departure<B, T> {
        if let Some(at) = self.queue.iter().position(|(waiting, _)| waiting == voter) {
            return self
                .queue
                .remove(at)
                .map_or(Departure::Nothing, |(_, request)| Departure::Place(request));
        }
        if let Some(holds) = self.take(voter) {
            return Departure::Vote(holds);
        }
        match &mut self.holder {
            Some(Holder { voter: holder, stage: Stage::Voting { abandoned }, .. }) if holder == voter => {
                *abandoned = true;
                Departure::Voting
            }
            Some(Holder { voter: holder, stage: stage @ Stage::Reserved(_), .. }) if holder == voter => {
                *stage = Stage::Leaving;
                Departure::Reservation
            }
            _ => Departure::Nothing,
        }
    }

    /// The holder is done: returns the next request, which has the lock and is to be run.
    pub fn release(&mut self, now: SystemTime) -> Option<B> {
        self.holder = None;
        let (voter, request) = self.queue.pop_front()?;
        self.give(voter, now);
        Some(request)
    }

    /// Takes what a voter holds that has done nothing for so long after its vote; as in [`CommitLock::leave`].
    pub fn expire(&mut self, limit: Duration, now: Instant) -> Option<(V, T)> {
        let holder = self.holder.as_ref()?;
        let Stage::Voted { since, .. } = &holder.stage else { return None };
        let overdue = now.saturating_duration_since(*since) >= limit;
        let voter = overdue.then(|| holder.voter.clone())?;
        self.take(&voter).map(|holds| (voter, holds))
    }

    /// When [`CommitLock::expire`] can have an answer at the earliest.
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

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    type Lock = CommitLock<char, &'static str, u32>;

    fn ask(queue: &mut Lock, voter: char) -> Admission<&'static str> {
        queue.ask(&voter, "request", UNIX_EPOCH)
    }

    #[test]
    fn lock_goes_to_those_that_wait_in_the_order_of_their_coming() {
        let (mut queue, now) = (Lock::default(), Instant::now());
        assert_eq!(ask(&mut queue, 'a'), Admission::Granted("request"));
        assert_eq!(ask(&mut queue, 'a'), Admission::HoldsIt);
        assert_eq!(ask(&mut queue, 'b'), Admission::Waits(1));
        assert_eq!(ask(&mut queue, 'c'), Admission::Waits(2));
        assert_eq!(ask(&mut queue, 'b'), Admission::WaitsAlready);
        assert_eq!(queue.take(&'a'), None);
        assert_eq!(queue.voted(7, now), None);
        assert_eq!(ask(&mut queue, 'a'), Admission::HoldsIt);
        assert_eq!((queue.take(&'b'), queue.take(&'a'), queue.take(&'a')), (None, Some(7), None));
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        assert_eq!((queue.standing(&'b'), queue.standing(&'c')), (Standing::Voting, Standing::Waiting));
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        assert_eq!(queue.standing(&'c'), Standing::Voting);
        assert_eq!(queue.release(UNIX_EPOCH), None);
        assert_eq!(queue.since(), None);
        assert_eq!(ask(&mut queue, 'b'), Admission::Granted("request"));
    }

    #[test]
    fn voter_can_leave_at_any_moment() {
        let (mut queue, now) = (Lock::default(), Instant::now());
        assert_eq!(queue.leave(&'a'), Departure::Nothing);
        for voter in ['a', 'b', 'c'] {
            ask(&mut queue, voter);
        }
        assert_eq!(queue.leave(&'b'), Departure::Place("request"));
        assert_eq!(queue.leave(&'a'), Departure::Voting);
        assert_eq!(queue.voted(7, now), Some(7));
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        assert_eq!(queue.voted(8, now), None);
        assert_eq!(queue.standing(&'c'), Standing::Voted);
        assert_eq!(queue.leave(&'c'), Departure::Vote(8));
        assert_eq!(queue.leave(&'c'), Departure::Nothing);
        assert_eq!(queue.release(UNIX_EPOCH), None);
    }

    #[test]
    fn voter_that_has_left_may_ask_again_before_the_lock_is_free() {
        let (mut queue, now) = (Lock::default(), Instant::now());
        ask(&mut queue, 'a');
        assert_eq!(queue.leave(&'a'), Departure::Voting);
        assert_eq!((ask(&mut queue, 'a'), queue.standing(&'a')), (Admission::Waits(1), Standing::Waiting));
        assert_eq!(queue.voted(1, now), Some(1));
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        let reservation = queue.reserve().unwrap();
        assert!(queue.expire_reservation(reservation));
        assert_eq!(ask(&mut queue, 'a'), Admission::Waits(1));
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        assert_eq!((queue.voted(2, now), queue.leave(&'a')), (None, Departure::Vote(2)));
        assert_eq!(ask(&mut queue, 'a'), Admission::Waits(1));
    }

    #[test]
    fn reservation_is_for_the_next_vote_and_ends() {
        let mut queue = Lock::default();
        ask(&mut queue, 'a');
        ask(&mut queue, 'b');
        let first = queue.reserve().unwrap();
        assert_eq!((queue.standing(&'a'), queue.take(&'a')), (Standing::Absent, None));
        assert_eq!(ask(&mut queue, 'c'), Admission::Waits(2));
        assert_eq!(ask(&mut queue, 'a'), Admission::Granted("request"));
        assert!(!queue.expire_reservation(first));
        let second = queue.reserve().unwrap();
        assert!(!queue.expire_reservation(first));
        assert!(queue.expire_reservation(second));
        assert_eq!(queue.leave(&'a'), Departure::Nothing);
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        queue.reserve().unwrap();
        assert_eq!(queue.leave(&'b'), Departure::Reservation);
        assert_eq!(queue.release(UNIX_EPOCH), Some("request"));
        assert_eq!(queue.leave(&'c'), Departure::Voting);
        assert_eq!(queue.reserve(), None);
    }

    #[test]
    fn only_the_time_after_the_vote_counts() {
        let (mut queue, begin) = (Lock::default(), Instant::now());
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
