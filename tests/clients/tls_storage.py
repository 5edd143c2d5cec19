"""What ZEO's ClientStorage sees of a server that encrypts, with the section <ssl> of a client.

tls_storage.py CONFIGURATION     commits, and loads by another connection
"""

import sys

import transaction
import ZODB.config

text = open(sys.argv[1]).read()
database = ZODB.config.databaseFromString(text)
for number in range(3):
    connection = database.open()
    connection.root()['number'] = number
    transaction.commit()
    connection.close()
database.close()
database = ZODB.config.databaseFromString(text)
print(database.open().root()['number'])
database.close()
