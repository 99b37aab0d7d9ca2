"""What `tcpmsg demo` has its people say: a working day's worth of everything that a room holds.

Law of this file: a list, and nothing that runs; each line is one message, and together they
take less than a minute.  No Twisted.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple


class Line(NamedTuple):
    """What one of the people says."""

    name: str
    message: str | bytes


def picture(width: int = 96, height: int = 64) -> bytes:
    """Return a small PNG, of a sky at evening: something that is no text."""
    rows = b"".join(
        b"\0"
        + b"".join(
            bytes((40 + 150 * y // height, 60 + 70 * y // height, 130 - 40 * x // width))
            for x in range(width)
        )
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


_DESCRIPTION: Final = """\
Notes from this morning, for whoever was not there:

1. The sensors in hall B report every ten seconds now. That is six messages a minute each, and the room keeps thirty days, which is more than anybody has ever asked for.
2. Nobody has to run a broker for them. The firmware opens a socket, writes 128 bytes that begin with the length, then the reading. It was a Friday afternoon's work.
3. When the switch in the basement was changed on Tuesday, every sensor lost its connection for four minutes. What the server had acknowledged was there, and what it had not was sent again under the same number and stored once. We compared both sides; nothing was missing and nothing was there twice.
4. Reports: the nightly job reads the room from where it stopped the day before. It keeps one number, the last one it has seen.
5. Open question: who looks at the alarms between six and eight? Mei has written down two ways of doing that, and both are fine. Somebody has to choose.
6. The old dashboard goes at the end of the month. If you still use it, say so this week.
7. Ada will show the plain protocol to the new colleagues on Thursday at ten, with nothing but Bash and a clock. Bring coffee.
8. The room for the builds has limits of its own now, because of the long logs.
9. The printer on the second floor is not in any room. It never will be.
10. Backups: the folder of the store is copied every night while the server stands still for two seconds, and a restore was tried on Wednesday. Numbers went on far above the old ones, as the page on reliability says, and no reader saw anything twice.
11. Whoever writes a client in a language of their own: the vectors in `conformance/` take an afternoon, and save two.
12. The lights in the stairwell answer to the room `lights` now. Please do not write a game for them. (There is one already. It is called `lights-game`.)

Next notes on Monday."""

SCENE: Final = (
    Line("ada", "Good morning! The new server is up. This room is on disk: what you read here survives the power going."),
    Line("grace", "Morning. Is that the one that anything with a socket can talk to?"),
    Line("ada", "Yes. Ten lines of Python, no library:\n"
         "```python\n"
         "import socket\n\n"
         'text = "hello from a script".encode()\n'
         'with socket.create_connection(("127.0.0.1", 5050)) as server:\n'
         '    server.sendall(b"%-128d" % len(text) + text)\n'
         "```"),
    Line("linus", "or with the command: `tcpmsg send lobby \"hello\"`"),
    Line("sensor-7", "temperature=21.4 humidity=48"),
    Line("grace", "And that is a thermometer in hall B, in the same room as us? :)"),
    Line("ada", "It is. So are the builds."),
    Line("ci", "build 1841 of main is green: 3,127 tests in 4 min 12 s"),
    Line("mei", "@grace the protocol is one page, if you want to read it: https://en.wikipedia.org/wiki/Unix_philosophy is longer."),
    Line("grace", "Ha. Ours is docs/protocol.md, I take it."),
    Line("linus", "Question: what happens if I pull the cable while I write?"),
    Line("mei", "Your message waits in your browser, goes out when the cable is back, and is stored once.\nTry it, I just did."),
    Line("linus", "Done. It says \"waiting\", then it was simply there. Fine."),
    Line("ci", "build 1842 of main is red:\n"
         "```\n"
         "FAILED tests/unit/test_hall.py::test_alarm_is_told_once - assert 2 == 1\n"
         "1 failed, 3126 passed in 251.80s\n"
         "```"),
    Line("ada", "@mei that one is yours, I think: `test_alarm_is_told_once`"),
    Line("mei", "It is. The alarm was told twice, so the test is right and I was wrong. Mended in a minute."),
    Line("sensor-7", "temperature=21.6 humidity=47"),
    Line("mei", _DESCRIPTION),
    Line("grace", "Thank you! I take the alarms between six and eight. Привет to the night shift, 你好, and שלום."),
    Line("linus", picture()),
    Line("linus", "The sky over hall B this evening, in 96 by 64 dots."),
    Line("ci", "build 1843 of main is green: 3,127 tests in 4 min 9 s"),
    Line("ada", "And we are done. Now you: write something, and everybody sees it."),
)  # fmt: skip
"""Who says what, in order."""
