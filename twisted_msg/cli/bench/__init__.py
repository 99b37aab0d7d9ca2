"""`tcpmsg bench`: how fast a server is, and whether it keeps its word meanwhile.

Law of this floor: what is measured is checked; nothing is counted that was not seen.  What
knows bytes and numbers alone (`messages`, `checking`, `tape`, `measures`) has no Twisted.
"""
