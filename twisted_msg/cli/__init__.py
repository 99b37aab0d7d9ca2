"""The `tcpmsg` command.

Law of this floor: what a person reads is one clear line, stdout carries data only, and
nothing that `tcpmsg --help` needs imports Twisted.
"""
