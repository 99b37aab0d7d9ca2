"""Hostile input, guided by coverage or drawn at random: server and client, typed and plain.

`python -m tests.fuzz` lists the targets; `python -m tests.fuzz TARGET --seconds 60` runs one.
"""
