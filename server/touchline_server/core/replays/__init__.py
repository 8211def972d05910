"""Catch-ups that need the log: reads that all rooms and clients of a partition share, and turns between connections."""
