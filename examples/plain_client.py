"""The original protocol with nothing but a socket.

python plain_client.py HOST PORT              listens, and prints every message
python plain_client.py HOST PORT MESSAGE ...  sends each message, then says goodbye
"""

import socket
import sys

if len(sys.argv) < 3 or not sys.argv[2].isdecimal():
    sys.exit(__doc__)
host, port, *messages = sys.argv[1:]
outgoing = [*messages, "!DISCONNECT!"] if messages else [""]  # who only listens says nothing
try:
    with socket.create_connection((host, int(port))) as connection:
        for message in outgoing:
            payload = message.encode()
            connection.sendall(b"%-128d" % len(payload) + payload)
        stream = connection.makefile("rb")
        while header := stream.read(128):
            print(stream.read(int(header)).decode(errors="replace"), flush=True)
except KeyboardInterrupt:
    pass  # Ctrl-C is how one leaves
except OSError as error:
    sys.exit(f"{host} {port}: {error}")
