"""The web: HTTP and WebSocket, on the server's own port.

Law of this floor: it knows nothing of rooms; whatever it does in them it says in typed
frames, as any peer would.
"""
