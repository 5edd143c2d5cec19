//! Walks through a storage that a client steers.

use std::collections::HashMap;

use super::super::call::Call;
use super::super::exception::{Exception, oid, tid};
use super::read::extension;
use crate::pickle::Value;
use crate::storage::{Error, History, RecordIterator, Storage, Tid, TransactionIterator};

/// A client's walks, by the numbers that it knows them by.
pub(super) struct Iterators {
    transactions: HashMap<i64, Walk>,
    /// With the transaction that they are of.
    records: HashMap<i64, (Tid, Box<dyn RecordIterator>)>,
    last: i64,
    max: usize,
}

struct Walk {
    transactions: Box<dyn TransactionIterator>,
    current: Option<Tid>,
}

impl Iterators {
    /// None; there may be so many.
    pub(super) fn new(max: usize) -> Self {
        Self { transactions: HashMap::new(), records: HashMap::new(), last: 0, max }
    }

    pub(super) fn call(&mut self, call: Call, storage: &dyn Storage) -> Result<Value, Exception> {
        match call {
            Call::IteratorStart { start, stop } => {
                let number = self.number()?;
                let transactions = history(storage)?.iterate(start, stop)?;
                self.transactions.insert(number, Walk { transactions, current: None });
                Ok(Value::Int(number))
            }
            Call::IteratorNext(number) => self.next(number),
            Call::IteratorRecordStart { iterator, tid } => {
                let number = self.number()?;
                let walk = self.transactions.get_mut(&iterator).ok_or_else(|| unknown(iterator))?;
                if walk.current != Some(tid) {
                    return Err(Exception::new("builtins.Exception", "not the current transaction"));
                }
                self.records.insert(number, (tid, walk.transactions.records()?));
                Ok(Value::Int(number))
            }
            Call::IteratorRecordNext(number) => self.next_record(number),
            Call::IteratorGc(numbers) => {
                for number in numbers {
                    self.transactions.remove(&number);
                    self.records.remove(&number);
                }
                Ok(Value::None)
            }
            _ => Ok(Value::None),
        }
    }

    fn number(&mut self) -> Result<i64, Exception> {
        if self.transactions.len() + self.records.len() >= self.max {
            return Err(Exception::new("builtins.Exception", "too many open iterators"));
        }
        self.last += 1;
        Ok(self.last)
    }

    fn next(&mut self, number: i64) -> Result<Value, Exception> {
        let walk = self.transactions.get_mut(&number).ok_or_else(|| unknown(number))?;
        let Some((at, meta)) = walk.transactions.next()? else {
            self.transactions.remove(&number);
            return Ok(Value::None);
        };
        walk.current = Some(at);
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

    fn next_record(&mut self, number: i64) -> Result<Value, Exception> {
        let (at, records) = self.records.get_mut(&number).ok_or_else(|| unknown(number))?;
        let Some(record) = records.next()? else {
            self.records.remove(&number);
            return Ok(Value::None);
        };
        Ok(Value::Tuple(vec![
            oid(record.oid),
            tid(*at),
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
