"""Imports structlog without rich, which it would use if it is there to print tracebacks in colour.

The server's log has a renderer of its own (`rendering`) and never needs it, but importing it takes a fifth of the time
that a server takes to start.
"""

import sys
from importlib import import_module

UNUSED = "rich"


def import_structlog() -> None:
    """Import structlog now, before a module that imports it in the ordinary way. Others can import rich later."""
    if UNUSED in sys.modules or "structlog" in sys.modules:
        return
    sys.modules[UNUSED] = None  # type: ignore[assignment] # how Python is told that a module cannot be imported
    try:
        import_module("structlog")
    finally:
        del sys.modules[UNUSED]
