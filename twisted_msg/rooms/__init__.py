"""Rooms: who is in one, what is said in it, and how far each member has read.

Law of this floor: it knows logs and cursors, and nothing of sockets or verbs.
"""
