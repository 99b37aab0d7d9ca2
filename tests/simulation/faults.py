"""Faults that are planted, by name: what the product protects against, taken out one at a time.

That a fault is found shows that the simulation sees it; none of them is in the product.
"""

from tests.simulation import client_faults, room_faults, server_faults, store_faults, web_faults
from tests.simulation.planting import FAULTS

NOT_FOUND = {
    "missed-without-an-id": "a stream must break between the event and the next one with an id",
    "plain-missed-counts-what-it-got": "a plain peer must fall before it has read one piece",
    "released-only-once": "the next commit releases the next publisher",
    "synced-after-a-failed-sync": "a failed sync, a start, then a power cut before the next sync",
}
"""Faults that 150 seeds do not find, and what would have to happen for that."""

__all__ = [
    "FAULTS",
    "NOT_FOUND",
    "client_faults",
    "room_faults",
    "server_faults",
    "store_faults",
    "web_faults",
]
