"""A ZODB client of a ZEO server on 127.0.0.1, for the tests. PORT may also be HOST:PORT, or the path of a Unix socket.

objects.py make PORT NAME...        makes the empty collections
objects.py commit PORT NAME COUNT   commits COUNT objects to one of them, in batches
objects.py read PORT                checks every object and prints how many each collection has
"""

import sys

import persistent.mapping
import transaction
import ZEO
from BTrees.IOBTree import IOBTree

BATCH = 50


def text(name, number):
    return f"{name} {number} " + "x" * (number % 1000)


def make(root, *names):
    for name in names:
        root[name] = IOBTree()
    transaction.commit()


def commit(root, name, count):
    count = int(count)
    for start in range(0, count, BATCH):
        for number in range(start, min(start + BATCH, count)):
            root[name][number] = persistent.mapping.PersistentMapping(text=text(name, number))
        transaction.commit()
    print(f"{name}: committed {count}")


def read(root):
    for name in sorted(root):
        found = [item["text"] for item in root[name].values()]
        if found != [text(name, number) for number in range(len(found))]:
            sys.exit(f"{name}: an object is lost or wrong")
        print(f"{name}: read {len(found)}")


command, port, *arguments = sys.argv[1:]
host, _, number = port.rpartition(":")
address = port if "/" in port else (host.strip("[]") or "127.0.0.1", int(number))
# A server that is just coming up is waited for.
database = ZEO.DB(address, wait_timeout=60)
{"make": make, "commit": commit, "read": read}[command](database.open().root(), *arguments)
database.close()
