"""Benchmarks: this server beside its peers, how its cost grows, and whether it became slower.

Law of this folder: nothing of it is installed or imported by the product.  What is measured
is a server in a process of its own, spoken to in bytes, and every delivery is counted;
docs/performance.md tells the method and shows what came of it.
"""
