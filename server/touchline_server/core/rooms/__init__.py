"""What rooms hold, and who is in them: from a log event to the bytes that a room's clients are written."""
