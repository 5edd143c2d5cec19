"""Packs a live ZEO server on 127.0.0.1 (PORT), with another client watching, and prints what both see."""

import sys
import time

import persistent.mapping
import transaction
import ZEO
import ZODB
from BTrees.IOBTree import IOBTree
from ZEO.Exceptions import ServerException

address = ("127.0.0.1", int(sys.argv[1]))
storage = ZEO.client(address, wait_timeout=60)
watching = ZEO.client(address, wait_timeout=60)
database = ZODB.DB(storage)
connection = database.open()
root = connection.root()
root["tree"] = tree = IOBTree()
for number in range(300):
    tree[number] = persistent.mapping.PersistentMapping(text="x" * 500)
transaction.commit()
gone = tree[7]._p_oid
for number in range(0, 300, 3):
    tree[number]["text"] = "y" * 500
    if number % 30 == 0:
        transaction.commit()
del tree[7]
transaction.commit()
kept = tree[3]._p_oid
history = len(storage.history(kept, 9))
before = storage.getSize(), len(storage)
last = storage.lastTransaction()
now = time.time()
database.pack(now)
after = storage.getSize(), len(storage)
print("smaller:", after[0] < before[0] * 0.8, after[1] == before[1] - 1)
print("history:", history, len(storage.history(kept, 9)))
print("last:", storage.lastTransaction() == last)
try:
    watching.loadBefore(gone, last)
    print("the removed object can be loaded")
except KeyError:
    print("removed: POSKeyError")
deadline = time.time() + 60
while watching.getSize() != after[0] and time.time() < deadline:
    time.sleep(0.01)
print("other client:", (watching.getSize(), len(watching)) == after)
tree[300] = persistent.mapping.PersistentMapping(text="after")
transaction.commit()
# Without waiting, and with nothing to do.
storage.pack(0, wait=False)
try:
    storage._call("pack", float("nan"), True)
except (ValueError, ServerException) as error:
    print("refused:", error)
connection.cacheMinimize()
print("objects:", sum(len(item["text"]) for item in tree.values()))
database.close()
watching.close()
