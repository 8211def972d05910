"""Catch-ups that need the log or the room store: reads are shared by all who need them, and connections take turns."""
