"""What a client of a ZEO server sees of undo, deletion and restoring, as lines: those of two servers can be compared.

undo.py PORT PART...     of the server on 127.0.0.1
undo.py python PART...   of Python's, over a file in the working directory
"""

import base64
import io
import logging
import sys

import ZEO
from BTrees.Length import Length
from BTrees.OOBTree import OOBucket, OOBTree, OOSet
from persistent.mapping import PersistentMapping
from persistent.TimeStamp import TimeStamp
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ServerException
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import POSKeyError
from ZODB.serialize import ObjectWriter
from ZODB.utils import maxtid, p64, u64, z64
from zodbpickle import pickle

logging.disable(logging.CRITICAL)
known = {z64: 'z64'}
IS_PYTHON = sys.argv[1] == 'python'


def named(tid):
    return known.setdefault(tid, 't%d' % len(known))


def plain(value):
    """A value with the transactions in it by their names."""
    if isinstance(value, bytes) and len(value) == 8 and value in known:
        return known[value]
    if isinstance(value, bytes) and len(value) == 12 and value.endswith(b'='):
        return 'id of ' + named(base64.b64decode(value))
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value) if key != 'time'}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, BaseException):
        return '%s %s %s' % (type(value).__module__, type(value).__name__, plain(vars(value) or value.args))
    return value


def say(*words):
    print(*[plain(word) for word in words])


def record(instance):
    return ObjectWriter().serialize(instance)


def serial(storage, oid):
    try:
        return storage.loadBefore(p64(oid), maxtid)[1]
    except POSKeyError:
        return next(iter(storage.history(p64(oid), 1)))['tid']


def commit(storage, *steps, user='', note='', extension=None, tid=None):
    """The id of a transaction of these steps: oid and record, or method and arguments; None: it was refused."""
    meta = TransactionMetaData(user, note, extension or {})
    storage.tpc_begin(meta, tid)
    try:
        for step in steps:
            if isinstance(step[0], int):
                oid, data = step
                try:
                    before = serial(storage, oid)
                except POSKeyError:
                    before = z64
                storage.store(p64(oid), before, data, '', meta)
            else:
                method, *arguments = step
                getattr(storage, method)(*arguments, meta)
        say('vote', sorted(storage.tpc_vote(meta) or []))
    except Exception as error:
        say('refused', error)
        storage.tpc_abort(meta)
        return None
    made = storage.tpc_finish(meta)
    say('committed', named(made), note)
    return made


def undo(storage, *tids, **more):
    return commit(storage, *[('undo', base64.encodebytes(tid).rstrip()) for tid in tids], **more)


def current(storage):
    """The objects as they are. (Python's walk ends at the first that was deleted.)"""
    if IS_PYTHON:
        for oid in range(100):
            try:
                tid = storage.getTid(p64(oid))
                yield p64(oid), tid, storage.loadSerial(p64(oid), tid)
            except POSKeyError:
                pass
        return
    next_oid = z64
    while next_oid is not None:
        try:
            *found, next_oid = storage.record_iternext(next_oid)
        except ServerException:
            return
        yield found


def log(method, *arguments):
    # The size depends on how the extension is pickled.
    for entry in method(*arguments):
        say('log', {key: item for key, item in entry.items() if key != 'size' or not isinstance(item, int)})


def show(storage):
    """All that can be read."""
    say('length', len(storage), 'undo', storage.supportsUndo())
    for txn in storage.iterator():
        say('transaction', txn.tid, txn.status, txn.user, txn.description, txn.extension)
        for rec in txn:
            say(' record', u64(rec.oid), rec.data, rec.data_txn)
    for oid, tid, data in current(storage):
        say('current', u64(oid), tid, data)
    for oid in range(1, 12):
        for look in (storage.getTid, lambda oid: storage.history(oid, 99), lambda oid: storage.loadBefore(oid, maxtid)):
            try:
                say('object', oid, look(p64(oid)))
            except KeyError as error:
                say('object', oid, error)
    log(storage.undoLog, 0, 99)


def changes(storage):
    """Undo of changes, creations and undos."""
    say(storage.undoLog(), storage.undoInfo())
    one = commit(storage, (1, b'one'), (2, b'other'), user='/ann', note='one')
    two = commit(storage, (1, b'two'), user='/ann', note='two', extension={'k': 1, 'user_name': 'from extension'})
    undone = undo(storage, two, user='/bob', note='undo', extension={'size': 'from extension', 'deep': {'x': (1, 2)}})
    show(storage)
    gone = undo(storage, undone, two, one, note='several')
    show(storage)
    undo(storage, gone, note='creation back')
    undo(storage, gone, note='again')
    for wrong in (b'', b'nonsense', p64(7), two + b'!'):
        undo(storage, wrong[:8].ljust(8), note='wrong')
    show(storage)


def refusals(storage):
    for n, (first, second, third) in enumerate([
        [record(PersistentMapping(n=n)) for n in range(3)],
        [b'cno.such.module\nClass\n.' + record(PersistentMapping(n=n)) for n in range(3)],
        [b'no pickle %d' % n for n in range(3)],
    ]):
        oid = 3 + n
        one = commit(storage, (oid, first), note='first')
        two = commit(storage, (oid, second), (1, second), note='second')
        commit(storage, (oid, third), note='third')
        undo(storage, two, note='undo second')
        undo(storage, one, note='undo first')
        undo(storage, two, one, note='both')
        commit(storage, (oid, second), note='as it was')
        undo(storage, two, note='undo second')
    show(storage)


def filters(storage):
    for first, last in [(0, 1), (0, -1), (2, 5), (2, -2), (3, 3), (5, 2), (0, 0), (-1, 2), (-3, -2), (90, 99), (0, 3)]:
        say('undoLog', first, last)
        log(storage.undoLog, first, last)
        for spec in [{}, None, {'user_name': b'/ann'}, {'k': 1}, {'k': 2}, {'no': None}, {'deep': {'x': (1, 2)}},
                     {'user_name': 'from extension', 'k': True}, {'description': b'first', 'user_name': b''}]:
            say('undoInfo', first, last, spec)
            log(storage.undoInfo, first, last, spec)


def merges(storage):
    """Conflicts that the server resolves, and such that it does not."""
    def length(n):
        return record(Length(n))

    def bucket(**items):
        return record(OOBucket(items))

    def tree(**items):
        return record(OOBTree(items))

    def a_set(*items):
        return record(OOSet(items))

    for oid, states in enumerate([
        [length(5), length(8), length(9)],
        [bucket(a=1, b=2, c=3), bucket(a=1, b=2, c=3, d=4), bucket(a=1, b=5, c=3, d=4)],
        [bucket(a=1, b=2, c=3), bucket(a=1, b=7, c=3), bucket(a=1, b=8, c=3)],
        [a_set('a', 'b', 'c'), a_set('a', 'b', 'c', 'd'), a_set('a', 'c', 'd')],
        [tree(a=1), tree(a=1, b='text'), tree(a=2, b='text')],
        [a_set('a', 'b'), a_set('b'), a_set('b', 'c')],
    ], 30):
        tids = [commit(storage, (oid, state)) for state in states]
        undo(storage, tids[1], note='merge')
        data, tid = storage.loadBefore(p64(oid), maxtid)[:2]
        say('merged', oid, tid, merged(data))


def merged(data):
    file = io.BytesIO(data)
    return [pickle.Unpickler(file).load() for _ in range(2)]


def deletions(storage):
    oid = p64(6)
    one = commit(storage, (6, b'one'), note='to be deleted')
    deleted = commit(storage, ('deleteObject', oid, one), note='delete')
    commit(storage, ('deleteObject', oid, one), note='delete again')
    commit(storage, ('deleteObject', p64(99), one), note='delete nothing')
    show(storage)
    back = undo(storage, deleted, note='undo the deletion')
    undo(storage, one, note='undo what was deleted and came back')
    commit(storage, ('deleteObject', oid, back), note='delete the undone')
    commit(storage, ('deleteObject', oid, serial(storage, 6)), note='delete the undone')
    commit(storage, (6, b'new'), note='store what was deleted')
    tid = TimeStamp(2090, 1, 1, 0, 0, 0).raw()
    made = commit(storage, ('restore', p64(7), tid, b'restored', '', None), ('restore', p64(1), tid, None, '', None),
                  note='restore', tid=tid)
    commit(storage, ('restore', oid, p64(u64(tid) + 1), b'one', '', one), note='restore', tid=p64(u64(tid) + 1))
    undo(storage, made, note='undo the restored')
    show(storage)


def main(where, *parts):
    stop = None
    address = ('127.0.0.1', int(where)) if not IS_PYTHON else None
    if address is None:
        address, stop = ZEO.server(path='Python.fs')
    storage = ClientStorage(address, wait_timeout=60)
    for part in parts:
        say('---', part)
        globals()[part](storage)
    storage.close()
    if stop:
        stop()


main(*sys.argv[1:])
