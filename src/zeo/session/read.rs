//! Calls that change nothing.

use super::super::call::Call;
use super::super::exception::{Exception, oid, tid};
use super::super::pack::{self, PackRequest};
use super::super::stats::{count, number};
use super::extension::extension;
use super::undo_log::{self, Wanted};
use super::{Answer, Client, Failure, Request};
use crate::pickle::Value;
use crate::storage::{Error, HistoryEntry, Oid, Revision, Wait};

impl Client {
    pub(super) fn read(
        &mut self,
        call: Call,
        request: &mut Request<'_>,
        wait: Wait,
    ) -> Result<Answer, Failure> {
        let service = &self.service;
        let storage = &*service.storage;
        let encoding = request.peer.encoding();
        let id = request.id;
        let result = match call {
            Call::LastTransaction => {
                service.last(request.peer, request.replies, |last, replies| {
                    encoding.reply(id, tid(last), replies);
                });
                return Ok(Answer::Elsewhere);
            }
            Call::GetInvalidations(since) => {
                let reply = |changes: Option<(_, std::collections::BTreeSet<Oid>)>, replies: &mut Vec<u8>| {
                    let changes = changes.map_or(Value::None, |(last, oids)| {
                        Value::Tuple(vec![tid(last), Value::List(oids.into_iter().map(oid).collect())])
                    });
                    encoding.reply(id, changes, replies);
                };
                service.changes(since, wait, request.peer, request.replies, reply)?;
                return Ok(Answer::Elsewhere);
            }
            Call::LoadBefore { oid, before } => {
                let mut data = Vec::new();
                let loaded = storage.load_before(oid, before, wait, &mut data);
                if !matches!(loaded, Err(Error::WouldWait)) {
                    count(&service.stats.loads);
                }
                let loaded = loaded?;
                loaded.map_or(Value::None, |Revision { start, end }| {
                    Value::Tuple(vec![Value::Bytes(data), tid(start), end.map_or(Value::None, tid)])
                })
            }
            Call::LoadSerial { oid, tid } => Value::Bytes(storage.load_serial(oid, tid, wait)?),
            // These have no say in whether they wait.
            Call::GetTid(_) | Call::NewOids(_) if wait == Wait::Refused => return Err(Failure::WouldWait),
            Call::GetTid(of) => tid(storage.current_tid(of)?),
            Call::History { oid, size } => {
                let history = storage.history().ok_or(Error::Unsupported("history"))?;
                let entries = history.revisions(oid, size, wait)?;
                Value::List(entries.into_iter().map(history_entry).collect::<Result<_, _>>()?)
            }
            Call::NewOids(_) if self.read_only => return Err(Exception::read_only().into()),
            Call::NewOids(count) => Value::List(storage.new_oids(count)?.map(|new| oid(Oid(new))).collect()),
            Call::RecordNext(from) => {
                let records = storage.current_records().ok_or(Error::Unsupported("record_iternext"))?;
                let found = records.next_record(from.unwrap_or(Oid::ROOT), wait)?;
                let found = found.ok_or_else(|| Exception {
                    expected: true,
                    ..Exception::new("builtins.ValueError", "empty tree")
                })?;
                let next = found.next.map_or(Value::None, oid);
                Value::Tuple(vec![oid(found.oid), tid(found.tid), Value::Bytes(found.data), next])
            }
            Call::UndoLog { first, last, filter } => match storage.undo() {
                Some(undo) => {
                    let wanted = Wanted { first, last, filter: &filter };
                    Value::List(undo_log::entries(undo, wanted, wait)?)
                }
                // As Python answers for a storage that cannot undo.
                None => Value::Tuple(Vec::new()),
            },
            Call::Pack { time, wait } => {
                let message = wait.then(|| id.clone());
                pack::start(service, PackRequest { peer: request.peer.clone(), message, time })?;
                if wait {
                    return Ok(Answer::Elsewhere);
                }
                Value::None
            }
            // The words of Python's server.
            Call::Lacking("sendBlob") => {
                return Err(Exception::new("builtins.TypeError", "Blobs are not supported").into());
            }
            Call::Lacking(ability) => return Err(Error::Unsupported(ability).into()),
            Call::ServerStatus => service.status(),
            Call::SetClientLabel(label) => {
                let label = label.chars().filter(|c| !c.is_control()).take(200).collect();
                request.peer.set_label(label);
                service.log.about(crate::eventlog::Level::INFO, request.peer, format_args!("has its label"));
                Value::None
            }
            Call::GetInfo => service.info(),
            // The others are handled by the caller.
            _ => Value::None,
        };
        Ok(Answer::Result(result))
    }
}

/// Its own items win over those of the extension.
fn history_entry(entry: HistoryEntry) -> Result<Value, Exception> {
    let mut pairs = match extension(&entry.meta)? {
        Value::Dict(pairs) => pairs,
        _ => Vec::new(),
    };
    let own = [
        ("time", Value::Float(entry.tid.seconds())),
        ("user_name", Value::Bytes(entry.meta.user)),
        ("description", Value::Bytes(entry.meta.description)),
        ("tid", tid(entry.tid)),
        ("size", number(entry.size)),
    ];
    for (name, value) in own {
        pairs.retain(|(key, _)| !matches!(key, Value::Text(text) if text == name));
        pairs.push((Value::Text(name.to_owned()), value));
    }
    Ok(Value::Dict(pairs))
}
