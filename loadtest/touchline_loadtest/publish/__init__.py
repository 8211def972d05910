"""Publishing events for the scenarios: the ways in, the pace, keys, and matches."""
