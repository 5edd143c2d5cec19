"""Copies all transactions of one ZEO server to a file of Python's, and from there to another server: copies.py PORT PORT

Prints how many there are, and whether all three hold the same."""

import sys

from ZEO.ClientStorage import ClientStorage
from ZODB.FileStorage import FileStorage


def held(storage):
    return [(txn.tid, txn.status, txn.user, txn.description, txn.extension,
             [(record.oid, record.tid, record.data, record.data_txn) for record in txn])
            for txn in storage.iterator()]


first, last = [ClientStorage(('127.0.0.1', int(port)), wait_timeout=60) for port in sys.argv[1:]]
between = FileStorage('Copy.fs')
between.copyTransactionsFrom(first)
last.copyTransactionsFrom(between)
copies = [held(storage) for storage in (first, between, last)]
print(len(copies[0]), copies[0] == copies[1] == copies[2])
for storage in (first, between, last):
    storage.close()
