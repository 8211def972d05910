"""The embedded log: one SQLite file, or memory."""
