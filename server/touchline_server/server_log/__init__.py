"""The server's own log for operators: one structured line per event. Not to be confused with the log of events."""
