//! Walks through a storage that a client steers.

use std::collections::HashMap;

use super::super::call::Call;
use super::super::exception::{Exception, oid, tid};
use super::Failure;
use super::extension::extension;
use crate::pickle::Value;
use crate::storage::{Error, History, RecordIterator, Storage, Tid, TransactionIterator, Wait};

/// A client's iterators, by the numbers that it knows them by. Clients that only read never say which ones they have dropped
/// (`ClientStorage` does at the end of its next commit), so that each makes way for later ones: the one over records for the next
/// of the same walk, and any of them, beyond the most, if it is the one that was not used for longest.
pub(super) struct Iterators {
    open: HashMap<i64, Open>,
    last: i64,
    /// Counts the uses.
    uses: u64,
    max: usize,
}

struct Open {
    kind: Kind,
    last_use: u64,
}

enum Kind {
    Walk {
        transactions: Box<dyn TransactionIterator>,
        current: Option<Tid>,
        /// Its iterator over records.
        records: Option<i64>,
    },
    /// With the transaction that they are of.
    Records(Tid, Box<dyn RecordIterator>),
}

impl Iterators {
    /// None; there may be so many.
    pub(super) fn new(max: usize) -> Self {
        Self { open: HashMap::new(), last: 0, uses: 0, max }
    }

    pub(super) fn call(&mut self, call: Call, storage: &dyn Storage, wait: Wait) -> Result<Value, Failure> {
        match call {
            Call::IteratorStart { start, stop } => {
                let transactions = history(storage)?.iterate(start, stop, wait)?;
                Ok(Value::Int(self.add(Kind::Walk { transactions, current: None, records: None })))
            }
            Call::IteratorNext(number) => self.next(number, wait),
            Call::IteratorRecordStart { iterator, tid } => self.start_records(iterator, tid),
            Call::IteratorRecordNext(number) => self.next_record(number, wait),
            Call::IteratorGc(numbers) => {
                for number in numbers {
                    self.open.remove(&number);
                }
                Ok(Value::None)
            }
            _ => Ok(Value::None),
        }
    }

    fn add(&mut self, kind: Kind) -> i64 {
        while self.open.len() >= self.max.max(1)
            && let Some(oldest) =
                self.open.iter().min_by_key(|(_, open)| open.last_use).map(|(number, _)| *number)
        {
            self.open.remove(&oldest);
        }
        self.last += 1;
        self.uses += 1;
        self.open.insert(self.last, Open { kind, last_use: self.uses });
        self.last
    }

    fn get(&mut self, number: i64) -> Result<&mut Kind, Exception> {
        self.uses += 1;
        let open = self.open.get_mut(&number).ok_or_else(|| unknown(number))?;
        open.last_use = self.uses;
        Ok(&mut open.kind)
    }

    fn start_records(&mut self, number: i64, tid: Tid) -> Result<Value, Failure> {
        let Kind::Walk { transactions, current, records } = self.get(number)? else {
            return Err(unknown(number).into());
        };
        if *current != Some(tid) {
            return Err(Exception::new("builtins.Exception", "not the current transaction").into());
        }
        let new = Kind::Records(tid, transactions.records()?);
        if let Some(earlier) = records.take() {
            self.open.remove(&earlier);
        }
        let added = self.add(new);
        if let Kind::Walk { records, .. } = self.get(number)? {
            *records = Some(added);
        }
        Ok(Value::Int(added))
    }

    fn next(&mut self, number: i64, wait: Wait) -> Result<Value, Failure> {
        let Kind::Walk { transactions, current, .. } = self.get(number)? else {
            return Err(unknown(number).into());
        };
        let Some((at, meta)) = transactions.next(wait)? else {
            self.open.remove(&number);
            return Ok(Value::None);
        };
        *current = Some(at);
        let status = if meta.packed { "p" } else { " " };
        let extension = extension(&meta)?;
        Ok(Value::Tuple(vec![
            tid(at),
            Value::Text(status.to_owned()),
            Value::Bytes(meta.user),
            Value::Bytes(meta.description),
            extension,
        ]))
    }

    fn next_record(&mut self, number: i64, wait: Wait) -> Result<Value, Failure> {
        let Kind::Records(at, records) = self.get(number)? else {
            return Err(unknown(number).into());
        };
        let at = *at;
        let Some(record) = records.next(wait)? else {
            self.open.remove(&number);
            return Ok(Value::None);
        };
        Ok(Value::Tuple(vec![
            oid(record.oid),
            tid(at),
            record.data.map_or(Value::None, Value::Bytes),
            record.data_tid.map_or(Value::None, tid),
        ]))
    }
}

fn history(storage: &dyn Storage) -> Result<&dyn History, Exception> {
    storage.history().ok_or_else(|| Exception::from(Error::Unsupported("iteration")))
}

fn unknown(number: i64) -> Exception {
    Exception {
        name: "builtins.KeyError",
        arguments: Value::Tuple(vec![Value::Int(number)]),
        expected: false,
    }
}
