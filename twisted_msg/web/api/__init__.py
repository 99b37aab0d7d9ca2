"""The HTTP interface: rooms for programs that have curl and nothing else.

Law of this floor: whatever is asked is said to the server in frames, and what the server
refuses is told with its own code and sentence.
"""

from twisted_msg.web.api.tree import api_resource

__all__ = ["api_resource"]
