"""ZODB's FileStorage, for comparison: makes files, follows a script, tells all that can be seen of a file."""
import base64
import binascii
import contextlib
import io
import logging
import os
import random
import struct
import sys
import time
import zlib

import transaction
from persistent.mapping import PersistentMapping
from persistent.TimeStamp import TimeStamp
import ZODB
from ZODB.blob import Blob
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.fsIndex import fsIndex
from ZODB.POSException import POSKeyError, UndoError
from ZODB.serialize import referencesf
from ZODB.scripts import fstest
from ZODB.utils import maxtid, z64
from zodbpickle import pickle

logging.disable(logging.CRITICAL)


def shown(data):
    return 'none' if data is None else '%d:%08x' % (len(data), zlib.adler32(data))


def dump(path, read_only=True):
    storage = FileStorage(path, read_only=read_only)
    out = []
    say = lambda *words: out.append(' '.join(str(word) for word in words))
    say('last', storage.lastTransaction().hex(), 'length', len(storage), 'size', storage.getSize())
    tids, oids = [], set()
    for txn in storage.iterator():
        ext = txn.extension_bytes
        say('transaction', txn.tid.hex(), repr(txn.status)[1:-1], shown(txn.user), shown(txn.description), shown(ext))
        tids.append(txn.tid)
        for record in txn:
            oids.add(record.oid)
            say(' record', record.oid.hex(), shown(record.data), record.data_txn.hex() if record.data_txn else '-')
    for oid in sorted(oids):
        say('object', oid.hex())
        try:
            say(' current', storage.getTid(oid).hex())
        except POSKeyError:
            say(' current missing')
        for tid in tids + [maxtid]:
            try:
                found = storage.loadBefore(oid, tid)
            except POSKeyError:
                found = 'missing'
            if found and found != 'missing':
                found = '%s %s %s' % (shown(found[0]), found[1].hex(), found[2].hex() if found[2] else '-')
            say(' before', tid.hex(), found or 'young')
        for tid in tids:
            try:
                say(' serial', tid.hex(), shown(storage.loadSerial(oid, tid)))
            except POSKeyError:
                pass
        try:
            for entry in storage.history(oid, 1000):
                user, about = entry['user_name'], entry['description']
                say(' history', entry['tid'].hex(), entry['size'], shown(user), shown(about), struct.pack('>d', entry['time']).hex())
        except POSKeyError:
            say(' no history')
    for tid, changed in storage.lastInvalidations(5):
        say('invalidation', tid.hex(), ' '.join(oid.hex() for oid in changed))
    for entry in storage.undoLog(0, sys.maxsize):
        texts = shown(entry['user_name']), shown(entry['description'])
        say('undoable', base64.b64decode(entry['id']).hex(), entry['size'], *texts)
    storage.close()
    return '\n'.join(out) + '\n'


def build(path, kind):
    """Files as sites have them."""
    storage = FileStorage(path, blob_dir=path + '.blobs' if kind == 'blobs' else None)
    db = ZODB.DB(storage)
    manager = transaction.TransactionManager()
    root = db.open(manager).root()

    def commit(note):
        manager.get().note(note)
        manager.get().setUser('someone', '/folder')
        manager.get().setExtendedInfo('key', note)
        manager.commit()

    for n in range(5):
        root[n] = PersistentMapping(number=n, text='x' * 100 * n)
        commit('add %d' % n)
    for n in range(5):
        root[n % 2]['number'] = -n
        commit('change %d' % n)
    if kind in ('undo', 'packed'):
        for _ in range(3):
            db.undo(db.undoLog(0, 1)[0]['id'], manager.get())
            commit('undo')
        root['fresh'] = PersistentMapping(fresh=1)
        commit('fresh')
        db.undo(db.undoLog(0, 1)[0]['id'], manager.get())
        commit('undo creation')
    if kind == 'packed':
        del root[3]
        commit('garbage')
        storage.pack(time.time(), referencesf)
        root[1]['number'] = 'packed'
        commit('after')
        db.undo(db.undoLog(0, 1)[0]['id'], manager.get())
        commit('undo after')
    if kind == 'blobs':
        for text in (b'one', b'two'):
            root['blob'] = Blob(text)
            commit('blob')
    if kind == 'deleted':
        gone = root[4]
        oid, serial = gone._p_oid, gone._p_serial
        del root[4]
        commit('unlink')
        meta = TransactionMetaData('user', 'delete')
        storage.tpc_begin(meta)
        storage.deleteObject(oid, serial, meta)
        storage.tpc_vote(meta)
        storage.tpc_finish(meta)
    if kind == 'large':
        root['large'] = os.urandom(3 << 20)
        commit('large')
        for n in range(3000):
            root['n%d' % n] = PersistentMapping(n=n)
        commit('many')
    db.close()


def apply(script):
    """Follows a script of lines: the steps of transactions, under given ids, in one file after the other."""
    storage = meta = None
    raw = binascii.unhexlify
    for line in script.splitlines():
        word, *rest = line.split(' ')
        if word == 'file':
            if storage is not None:
                storage.close()
            storage = FileStorage(rest[0])
        elif word == 'begin':
            tid, status, user, about, ext = rest
            meta = TransactionMetaData(raw(user), raw(about), raw(ext))
            failure, changed = None, set()
            storage.tpc_begin(meta, raw(tid), {'n': ' ', 'p': 'p'}[status])
        elif word == 'store':
            oid, serial, data = rest
            storage.store(raw(oid), raw(serial), raw(data), '', meta)
        elif word == 'delete':
            oid, serial = rest
            storage.deleteObject(raw(oid), raw(serial), meta)
        elif word == 'restore':
            oid, data, previous = rest
            data = None if data == '-' else raw(data)
            previous = None if previous == '-' else raw(previous)
            storage.restore(raw(oid), storage._tid, data, '', previous, meta)
        elif word == 'undo':
            if failure is None:
                try:
                    changed.update(storage.undo(base64.encodebytes(raw(rest[0])).rstrip(), meta)[1])
                except UndoError as error:
                    failure = getattr(error, '_errs', [(None, error)])
        elif word == 'changed':
            if failure or sorted(oid.hex() for oid in changed) != rest:
                raise ValueError('%s: %s %s' % (line, failure, changed))
        elif word == 'refused':
            # The oid and reason of each object, or the reason of the transaction.
            found = sorted('%s %s' % (oid.hex() if oid else '-', e._reason) for oid, e in failure)
            if found != sorted(' '.join(rest).split(', ')):
                raise ValueError('%s: %s' % (line, found))
            storage.tpc_abort(meta)
        elif word == 'finish':
            storage.tpc_vote(meta)
            storage.tpc_finish(meta)
        elif word == 'abort':
            storage.tpc_vote(meta)
            storage.tpc_abort(meta)
        else:
            raise ValueError(line)
    storage.close()


def graph(path, seed, count):
    """A random history of objects that refer to each other, as applications make it: cut, pasted, undone."""
    chance = random.Random(int(seed))
    storage = FileStorage(path)
    db = ZODB.DB(storage)
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    root = connection.root()
    known = [root]
    for number in range(int(count)):
        # The root stays.
        if number > 6 and chance.random() < 0.2:
            entries = db.undoLog(0, 4)
            try:
                db.undo(chance.choice(entries)['id'], manager.get())
                manager.commit()
            except Exception:
                manager.abort()
            connection.sync()
            continue
        for _ in range(chance.randrange(1, 4)):
            # Also one that nothing refers to at the moment.
            holder = chance.choice(known)
            try:
                keys = sorted(holder)
                if keys and chance.random() < 0.4:
                    del holder[chance.choice(keys)]
                elif chance.random() < 0.4:
                    holder[chance.choice('abcd')] = chance.choice(known)
                else:
                    fresh = PersistentMapping(number=number)
                    connection.add(fresh)
                    known.append(fresh)
                    holder[chance.choice('abcd')] = fresh
            except POSKeyError:
                # The creation of it was undone.
                known = [one for one in known if one is not holder]
        try:
            manager.commit()
        except Exception:
            manager.abort()
    tids = [txn.tid.hex() for txn in storage.iterator()]
    db.close()
    print('\n'.join(tids))


def reached(storage):
    """What can be loaded from the root; the first reference that leads to nothing."""
    seen, todo = set(), [(z64, z64)]
    while todo:
        oid, by = todo.pop()
        if oid in seen:
            continue
        try:
            data, tid = load_current(storage, oid)
        except POSKeyError:
            return seen, '%s to %s' % (by.hex(), oid.hex())
        seen.add(oid)
        todo.extend((next, oid) for next in referencesf(data))
    return seen, None


def load_current(storage, oid):
    return storage.load(oid, '')


def pack(path, tid, gc):
    """Packs, and says what came of it."""
    storage = FileStorage(path, pack_gc=gc == 'gc')
    # A time has not the precision of an id.
    seconds = TimeStamp(binascii.unhexlify(tid)).timeTime() + 5e-6
    try:
        storage.pack(seconds, referencesf)
        print('packed')
    except Exception as error:
        print(type(error).__name__)
    storage.close()


def records(path):
    """Each transaction and record, whether all that can be reached is there, and what fstest finds."""
    storage = FileStorage(path, read_only=True)
    for txn in storage.iterator():
        print(txn.tid.hex(), txn.status.strip() or '-', 'transaction')
        for record in txn:
            print(txn.tid.hex(), record.oid.hex(), shown(record.data))
    seen, missing = reached(storage)
    storage.close()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        fstest.check(path)
    print('broken' if missing else 'whole', missing or len(seen))


def recover(paths):
    """Opens each damaged file to write; what came of it is in the files."""
    for path in paths:
        try:
            storage = FileStorage(path)
        except Exception as error:
            print(path, type(error).__name__)
        else:
            print(path, 'opened', storage.getSize())
            storage.close()


def main():
    what, *rest = sys.argv[1:]
    if what == 'dump':
        for path in rest:
            sys.stdout.write(dump(path))
    elif what == 'build':
        build(*rest)
    elif what == 'apply':
        script = sys.stdin.read()
        apply('file %s\n%s' % (rest[0], script) if rest else script)
    elif what == 'graph':
        graph(*rest)
    elif what == 'pack':
        pack(*rest)
    elif what == 'records':
        records(*rest)
    elif what == 'recover':
        recover(sys.stdin.read().splitlines())


main()
