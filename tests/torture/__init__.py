"""The real server on a real disk, tortured: killed, cut, starved of space, cheated by its disk.

    scripts/torture                       what CI runs, and prints
    scripts/torture kills --kills 200     one thing, for longer
    python -m tests.torture --help        the same, in an environment that has tcpmsg

Publishers and members are processes of their own, which note what they did; `judge` of
`tests/history.py` says whether that may be.  Linux, and the Debian package strace.
"""
