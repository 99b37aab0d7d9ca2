"""What the server says over HTTP.

Law of this floor: it knows the server and its conversations, and nothing of rooms' insides.
"""
