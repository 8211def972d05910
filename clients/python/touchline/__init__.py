"""Touchline for Python: follow rooms of live events, in order, each exactly once, across reconnects; and act in them.

    async with touchline.connect("ws://localhost:8080/ws") as client:
        async for event in client.subscribe("score:15946"):
            print(event.offset, event.data)
            await client.act("score:15946", "cheer", {"offset": event.offset})

`touchline.actions` reads the players' actions from Kafka, for detectors and game backends.

`touchline.session` is the client without an event loop and without a socket, for callers that bring their own.
"""

from touchline_protocol.cursor import Cursor

from . import actions, errors
from .client import Client, connect
from .session.items import Event, Members, Occupancy, Verdict
from .session.pending_action import Receipt
from .session.reconnect import Backoff
from .subscription import Subscription

__all__ = [
    "Backoff",
    "Client",
    "Cursor",
    "Event",
    "Members",
    "Occupancy",
    "Receipt",
    "Subscription",
    "Verdict",
    "actions",
    "connect",
    "errors",
]
