"""Compares what clients saw and did with what the log holds: the checker itself, over the data model of `checks`."""
