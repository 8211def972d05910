"""Python's cycle collector in a process that serves clients.

A full collection walks every live object and stops everything: 60 ms with 5,000 connections. Connections and rooms are
taken apart when they end, so it has nothing to find there.
"""

import gc

COLLECTOR_THRESHOLDS = (700, 10, 100)
"""The last one is 10 by default. A full collection still runs after some 700,000 objects, for cycles in libraries."""


def make_collections_rare() -> None:
    """Set the thresholds."""
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def freeze() -> None:
    """Leave out of collections what is there now and stays for good: code, settings, the window."""
    gc.collect()
    gc.freeze()
