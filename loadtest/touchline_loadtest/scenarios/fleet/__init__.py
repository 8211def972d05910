"""Scenarios with more than one process on the server's side: workers, keepers, and the Redis that they share."""
