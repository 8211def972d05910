"""Feeds of realistic size and pace: an evening of matches, and the positions of players."""
