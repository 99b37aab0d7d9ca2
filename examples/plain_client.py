"""The original protocol with nothing but a socket.

python plain_client.py HOST PORT              listens, and prints every message
python plain_client.py HOST PORT MESSAGE ...  sends each message, then says goodbye
"""

import socket
import sys

host, port, *messages = sys.argv[1:]
outgoing = [*messages, "!DISCONNECT!"] if messages else [""]  # who only listens says nothing
with socket.create_connection((host, int(port))) as connection:
    for message in outgoing:
        payload = message.encode()
        connection.sendall(b"%-128d" % len(payload) + payload)
    stream = connection.makefile("rb")
    while header := stream.read(128):
        print(stream.read(int(header)).decode(errors="replace"), flush=True)
