"""Faults that are planted, by name: what the product protects against, taken out one at a time.

Law of this file: that every one of them is found is how one knows that the simulation sees;
none of them is in the product.
"""

from tests.simulation import other_faults, server_faults
from tests.simulation.planting import FAULTS

__all__ = ["FAULTS", "other_faults", "server_faults"]
