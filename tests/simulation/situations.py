"""What must happen in three hundred seeds; what never happens there is a gap.

A fault in code that no world reaches is found by no check.  The counts are of `Outcome.counts`.
"""

from __future__ import annotations

from collections import Counter

SITUATIONS = (
    # publishers
    "runs of ids", "retries", "duplicates recognised", "refusals", "publishers turned away",
    "publishers held", "takeovers", "connections taken over", "takeovers that had to wait",
    "superseded", "programs ended well", "HTTP 201", "HTTP 200", "keys used again",
    "HTTP requests to be sent again", "HTTP answers that never came", "mixed rooms",
    "refusals behind what a memory room has heard", "waits until all is stored",
    "waits for the group being committed", "batches cut into pieces", "pieces of several senders",
    # members
    "MISSED", "pieces asked of the store", "steps from the store to memory",
    "readers that were full", "rooms left and entered again", "rooms entered twice",
    "events followed", "event streams resumed", "MISSED to event streams",
    "plain members that fell in memory rooms", "plain members whose messages had expired",
    "pieces shown without one's own runs", "pieces begun in their midst without one's own runs",
    "members that left a congested room", "members that left while publishers waited for them",
    "publishers held when such a member left", "direct messages received",
    "members reached directly", "JOIN", "PART", "HERE", "takeovers of members",
    # processes and networks
    "server kills", "power cuts", "stops", "stores closed well", "cuts", "cuts inside a frame",
    "half-open connections", "silences", "peers that stop reading", "long waits", "clock steps",
    "times that fell", "clocks set back over a restart", "program kills",
    # the disk
    "died before the write", "died inside the write", "died between write and sync",
    "died behind the sync", "died inside a checkpoint", "died between a checkpoint and its sync",
    "transactions forgotten", "torn writes", "failed syncs", "processes that gave up",
    "starts refused", "disk full", "writes to a read-only disk",
    "doubtful commits found stored", "doubtful commits found absent",
    # retention and the index of rooms
    "retention configured anew", "rooms pruned by age", "rooms pruned by size",
    "rooms pruned to the byte", "rooms pruned for the store's limit", "floors raised",
    "expiries by a clock that was steady", "expiries that wait for the clock",
    "marks dropped for their address",
    # what is compared at the end
    "rooms read whole", "rooms read since a time",
)  # fmt: skip


def gaps(counts: Counter[str]) -> list[str]:
    """Return the situations that never came up."""
    return [each for each in SITUATIONS if not counts[each]]


def table(counts: Counter[str]) -> str:
    """Return a line for each situation, rare ones first, and the gaps by name."""
    lines = [f"{counts[each]:10} {each}" for each in sorted(SITUATIONS, key=counts.__getitem__)]
    missing = gaps(counts)
    told = f"GAPS, never seen: {', '.join(missing)}" if missing else "no gaps"
    return "\n".join([*lines, f"{len(SITUATIONS)} situations, {told}"])
