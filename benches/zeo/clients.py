"""What an application sees of a ZEO server on 127.0.0.1, with ZODB's own client. Prints the name of a figure,
its rate per second, and which share of the time the client's own processor had.

clients.py make PORT            20,000 objects
clients.py run PORT NUMBER      each figure once; NUMBER tells processes apart, which change objects of their own
"""

import resource
import sys
import time

import persistent.mapping
import transaction
import ZEO
from BTrees.IOBTree import IOBTree
from ZODB.utils import p64

OBJECTS = 20000
LOADS = 5000
SECONDS = 2
LARGE = 1000

command, port, *rest = sys.argv[1:]
address = ("127.0.0.1", int(port))


def make():
    database = ZEO.DB(address, wait_timeout=60)
    root = database.open().root()
    root["objects"] = objects = IOBTree()
    for number in range(OBJECTS):
        objects[number] = persistent.mapping.PersistentMapping(number=number, text="x" * 200)
        if number % 1000 == 999:
            transaction.commit()
    root["own"] = own = IOBTree()
    for number in range(8):
        own[number] = IOBTree()
        for item in range(LARGE):
            own[number][item] = persistent.mapping.PersistentMapping(number=0)
    transaction.commit()
    database.close()


def measured(name, work):
    begin, used = time.perf_counter(), processor()
    count = work()
    seconds = time.perf_counter() - begin
    print(name, count / seconds, (processor() - used) / seconds)


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(number):
    storage = ZEO.client(address, wait_timeout=60)
    database = ZEO.DB(address, wait_timeout=60)
    connection = database.open()
    root = connection.root()
    own = root["own"][number]
    mappings = list(own.values())

    def loads():
        # A cache that has none of them: each is a question and its answer.
        for offset in range(LOADS):
            storage.load(p64(2 + (number * LOADS + offset) % OBJECTS))
        return LOADS

    def activated():
        for index in range(number * LOADS, (number + 1) * LOADS):
            root["objects"][index % OBJECTS]["text"]
        return LOADS

    def small():
        count, end = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            mappings[0]["number"] += 1
            transaction.commit()
            count += 1
        return count

    def large():
        for _ in range(10):
            for mapping in mappings:
                mapping["number"] += 1
            transaction.commit()
        return 10

    measured("load", loads)
    measured("activated", activated)
    for mapping in mappings:
        mapping["number"]
    measured("small", small)
    measured("large", large)
    database.close()
    storage.close()


if command == "make":
    make()
else:
    run(int(rest[0]))
