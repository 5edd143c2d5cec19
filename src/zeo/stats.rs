//! The status of a storage, for monitors (ZEO-PROTOCOL section 13).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::pickle::Value;
use crate::storage::Tid;
use crate::sys::local_time::{DatePattern, LocalTime};

/// Counters of one storage, since the start.
#[derive(Debug)]
#[allow(missing_docs)] // the names are those of the protocol
pub struct Stats {
    pub loads: AtomicU64,
    pub stores: AtomicU64,
    pub commits: AtomicU64,
    pub aborts: AtomicU64,
    /// Votes that were answered with conflicts, or refused because of one.
    pub conflicts: AtomicU64,
    pub active: AtomicI64,
    started: SystemTime,
}

/// Adds one. Nothing is ordered by a counter.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The moment's part of a status.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Clients of the storage.
    pub connections: usize,
    /// Its last transaction.
    pub last: Tid,
    /// When the commit lock was taken.
    pub locked: Option<SystemTime>,
    /// Clients in line for it.
    pub waiting: usize,
    /// Whether there is a transaction timeout.
    pub timeout: bool,
}

impl Stats {
    /// All zero, from `started` on.
    pub fn new(started: SystemTime) -> Self {
        Self {
            loads: AtomicU64::new(0),
            stores: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            aborts: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            active: AtomicI64::new(0),
            started,
        }
    }

    /// The status, as a dict.
    pub fn status(&self, moment: &Moment) -> Value {
        let counter = |counter: &AtomicU64| number(counter.load(Ordering::Relaxed));
        let timeout = if moment.timeout { Value::Bool(true) } else { Value::Text("stub".to_owned()) };
        super::exception::dict([
            ("loads", counter(&self.loads)),
            ("stores", counter(&self.stores)),
            ("commits", counter(&self.commits)),
            ("aborts", counter(&self.aborts)),
            ("active_txns", Value::Int(self.active.load(Ordering::Relaxed))),
            ("conflicts", counter(&self.conflicts)),
            ("conflicts_resolved", Value::Int(0)),
            ("connections", number(moment.connections as u64)),
            ("waiting", number(moment.waiting as u64)),
            ("lock_time", moment.locked.map_or(Value::None, |at| Value::Float(seconds(at)))),
            ("start", Value::Text(ctime(self.started))),
            ("last-transaction", Value::Text(moment.last.to_string())),
            ("timeout-thread-is-alive", timeout),
        ])
    }
}

/// A count or size as clients know it.
pub fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// As Python's `time.ctime` writes it.
fn ctime(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let local = i64::try_from(since.as_secs()).ok().and_then(LocalTime::at);
    let pattern = DatePattern::new("%a %b %e %H:%M:%S %Y");
    let mut text = String::new();
    if let Some((local, pattern)) = local.zip(pattern) {
        local.text(&pattern, &mut text);
    }
    text
}

/// A status as JSON: texts, numbers and truth values only.
pub fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Dict(pairs) => {
            let pair = |(key, value): &(Value, Value)| match key {
                Value::Text(key) => Some((key.clone(), json(value))),
                _ => None,
            };
            serde_json::Value::Object(pairs.iter().filter_map(pair).collect())
        }
        _ => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_has_the_names_of_the_protocol_also_as_json() {
        let counters = Stats::new(SystemTime::now());
        count(&counters.loads);
        let moment = Moment {
            connections: 2,
            last: Tid(0xabc),
            locked: Some(UNIX_EPOCH + std::time::Duration::from_millis(1500)),
            waiting: 3,
            timeout: false,
        };
        let status = counters.status(&moment);
        assert_eq!(status.get("loads"), Some(&Value::Int(1)));
        let mut json = json(&status);
        let start = json["start"].take();
        // `Thu Jan  1 00:00:00 1970`
        assert_eq!(start.as_str().unwrap().len(), 24, "{start}");
        assert_eq!(
            json.to_string(),
            r#"{"aborts":0,"active_txns":0,"commits":0,"conflicts":0,"conflicts_resolved":0,"connections":2,"last-transaction":"0000000000000abc","loads":1,"lock_time":1.5,"start":null,"stores":0,"timeout-thread-is-alive":"stub","waiting":3}"#
        );
    }
}
