"""HTTP and WebSocket: other ways to the same rooms.

Law of this floor: it knows nothing of a room's insides; whatever it does there, it does by
frames, spoken to a connection of the server's as any peer speaks them.
"""
