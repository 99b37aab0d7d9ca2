"""Conversations: what a connection's frames mean and what is answered.

Law of this floor: a session does not know which transport it rides; it speaks to
its peer through a `Line`.
"""

from twisted_msg.session.house import House
from twisted_msg.session.line import Line, Session
from twisted_msg.session.plain import PlainRules, PlainSession
from twisted_msg.session.typed import TypedSession

__all__ = ["House", "Line", "PlainRules", "PlainSession", "Session", "TypedSession"]
