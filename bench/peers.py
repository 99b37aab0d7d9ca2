"""Who is measured, by name.

Law of this file: the one list of them; this project's own come first.
"""

from __future__ import annotations

from bench.ours import Tcpmsg, TcpmsgDurable, TcpmsgPlain
from bench.peer import Peer
from bench.strangers import JetStream, JetStreamAlways, Mosquitto, Nats, TwistedInt32

PEERS: dict[str, type[Peer]] = {
    kind.name: kind
    for kind in (
        Tcpmsg,
        TcpmsgPlain,
        TcpmsgDurable,
        Nats,
        JetStream,
        JetStreamAlways,
        Mosquitto,
        TwistedInt32,
    )
}
