"""What a room has said, as a log of pieces that are ready to send.

Law of this floor: it knows messages, their numbers and their encodings, and
nothing of sessions or sockets.
"""
