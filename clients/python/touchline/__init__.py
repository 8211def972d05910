"""Touchline for Python: follow rooms of live events, in order, each exactly once, across reconnects.

    async with touchline.connect("ws://localhost:8080/ws") as client:
        async for event in client.subscribe("score:15946"):
            print(event.offset, event.data)

`touchline.actions` reads what players did, from Kafka: for detectors and game backends.

`touchline.session` is the client without a loop and without a socket, for those who bring their own.
"""

from touchline_protocol.cursor import Cursor

from . import actions, errors
from .backoff import Backoff
from .client import Client, connect
from .items import Event
from .subscription import Subscription

__all__ = ["Backoff", "Client", "Cursor", "Event", "Subscription", "actions", "connect", "errors"]
