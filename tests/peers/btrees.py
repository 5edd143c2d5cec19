"""Random changes of objects of BTrees, and what ZODB's conflict resolution makes of them: btrees.py COUNT SEED FILE"""
import importlib
import io
import logging
import random
import struct
import sys

from BTrees.Length import Length
from persistent.mapping import PersistentMapping
from ZODB.ConflictResolution import tryToResolveConflict
from ZODB.POSException import ConflictError
from ZODB.utils import p64
from zodbpickle import pickle

logging.disable(logging.CRITICAL)
count, seed, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
r = random.Random(seed)
FAMILIES = 'II IO OI OO LL LO OL LF IF fs UU UO OU QQ QO OQ IU UI LQ QL UF QF'.split()
LIMITS = {'I': (-2**31, 2**31), 'L': (-2**63, 2**63), 'U': (0, 2**32), 'Q': (0, 2**64)}


class Storage:
    _crs_transform_record_data = _crs_untransform_record_data = staticmethod(lambda data: data)

    def __init__(self, old):
        self.old = old

    def loadSerial(self, oid, serial):
        return self.old


class Reference:
    """Another object, as a record names it."""

    def __init__(self, data):
        self.data = data


def record(cls, state):
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 3)
    pickler.persistent_id = lambda item: item.data if isinstance(item, Reference) else None
    pickler.dump(cls)
    pickler.dump(state)
    return file.getvalue()


def references(n):
    cls = PersistentMapping
    return r.choice([(p64(n), cls), (p64(n), cls), p64(n), ['m', ('other', p64(n), cls)], ['n', ('other', p64(n))], ['w', (p64(n),)]])


def value(kind, n):
    if kind == 'O':
        return r.choice(OBJECTS)(n)
    if kind == 'F':
        return n / 4
    if kind == 's':
        return b'%06d' % n
    low, high = LIMITS[kind]
    return r.choice([n, n, low + n, high - 1 - n])


OBJECTS = [lambda n: n, lambda n: n, lambda n: 'v%d' % n, lambda n: b'v%d' % n, lambda n: (n, 'x'), lambda n: None, lambda n: n / 3,
           lambda n: [n, (n,)], lambda n: {n: n}, lambda n: Reference(references(n)), lambda n: (n, Reference(references(n))),
           lambda n: bool(n % 2), lambda n: (None, n), lambda n: ({}, n)]


def keys(kind):
    if kind == 'O':
        make = r.choice([lambda n: n, lambda n: 'k%d' % n, lambda n: b'k%d' % n, lambda n: 'ä%d€' % n, lambda n: (n, 'k')])
        found = sorted({make(n) for n in range(9)})
        return [None] + found if r.random() < .1 else found
    if kind == 'f':
        return [b'%c%c' % (n * 31, 255 - n) for n in range(9)]
    low, high = LIMITS[kind]
    return sorted({r.choice([n, low + n, high - 1 - n]) for n in range(9)})


def change(items, all_keys, kind, often):
    """A mapping with some keys added, removed, changed."""
    items = dict(items)
    for key in all_keys:
        if r.random() < often:
            if key in items and r.random() < .5:
                del items[key]
            else:
                items[key] = value(kind, r.randrange(4)) if kind else None
    return items


def state(items, is_set, order, next_):
    pairs = sorted(items.items(), key=lambda item: order.index(item[0]))
    flat = tuple(part for pair in pairs for part in (pair[:1] if is_set else pair))
    return (flat,) + next_


def case():
    if r.random() < .05:
        return Length, [r.choice([r.randrange(-9, 99), r.randrange(2**62)]) for _ in range(3)]
    family = r.choice(FAMILIES)
    shape = r.choice(['Bucket', 'Set', 'BTree', 'TreeSet'])
    cls = getattr(importlib.import_module('BTrees.%sBTree' % family), family + shape)
    is_set = 'Set' in shape
    order = keys(family[0])
    kind = None if is_set else family[1]
    start = {key: value(kind, r.randrange(4)) if kind else None for key in order if r.random() < .6}
    often = r.choice([.1, .2, .4])
    versions = [start] + [change(start, order, kind, often) for _ in range(2)]
    follows = r.random() < .4
    next_ = Reference((p64(77), cls))
    states = []
    for items in versions:
        if shape in ('BTree', 'TreeSet'):
            inner = state(items, is_set, order, ())
            made = ((inner,),) if items else None
            if r.random() < .03:
                made = ((Reference((p64(5), cls)), order[0], Reference((p64(6), cls))), Reference((p64(5), cls)))
        else:
            follow = (next_,) if follows else ()
            if r.random() < .03:
                follow = (Reference((p64(78), cls)),)
            made = state(items, is_set, order, follow)
        states.append(made)
    return cls, states


def put(file, data):
    file.write(struct.pack('>I', len(data)) + data)


with open(name, 'wb') as file:
    for _ in range(count):
        cls, states = case()
        old, committed, new = [record(cls, made) for made in states]
        try:
            resolved = tryToResolveConflict(Storage(old), p64(1), p64(2), p64(1), new, committed)
        except ConflictError:
            resolved = b''
        for data in (old, committed, new, resolved):
            put(file, data)
