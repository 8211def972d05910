"""Appends a room's events to a log, for the node's HTTP API and for commands with ``--log``."""

from collections.abc import Sequence

from touchline_server.core.log import Entry, Log, Position
from touchline_server.new_events import NewEvent, record_fields

from .requested_append import append_requested


async def append_events(log: Log, topic: str, room_id: str, events: Sequence[NewEvent]) -> list[Position]:
    """Append ``events`` in order, and return their positions.

    Raises:
        As `append_requested`.
    """
    entries = [Entry(*record_fields(room_id, event)) for event in events]
    return list(await append_requested(log, topic, entries))
