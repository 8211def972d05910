"""Clients that only count bytes, in a process of their own: ``python -m touchline_loadtest.counters``."""
