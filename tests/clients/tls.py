"""What a client by Python's ssl module sees of a server on 127.0.0.1 that encrypts, a line for each try.

tls.py PORT SERVER-CERTIFICATE TRY...   where TRY is VERSION,NAME or VERSION: the version of TLS, and NAME.pem and NAME.key
"""

import socket
import ssl
import sys
import warnings

warnings.simplefilter('ignore', DeprecationWarning)
port, authority = int(sys.argv[1]), sys.argv[2]
for words in sys.argv[3:]:
    version, _, name = words.partition(',')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if version in ('TLSv1', 'TLSv1_1'):
        context.set_ciphers('DEFAULT@SECLEVEL=0')
    if name:
        context.load_cert_chain(name + '.pem', name + '.key')
    try:
        with socket.create_connection(('127.0.0.1', port), 60) as plain:
            with context.wrap_socket(plain, server_hostname='localhost') as secure:
                seen = secure.recv(6)
                print(words, secure.version(), seen)
    except ssl.SSLError as error:
        print(words, error.reason)
