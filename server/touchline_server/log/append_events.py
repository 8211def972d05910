"""Appends a room's events to a log: what the node does for HTTP, and the command line with ``--log``."""

from collections.abc import Sequence

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import AppendFailed, Entry, Log
from touchline_server.new_events import NewEvent, Placed, PublishFailed, record_fields


async def append_events(log: Log, topic: str, room_id: str, events: Sequence[NewEvent]) -> list[Placed]:
    """Append ``events`` in order; returns where they are.

    Raises:
        PublishFailed: the log did not take them all; it says how many.
        UnknownTopic: there is no such topic.
    """
    entries = [Entry(*record_fields(room_id, event)) for event in events]
    try:
        positions = await log.append(topic, entries)
    except AppendFailed as error:
        raise PublishFailed(str(error), len(error.positions)) from error
    except LogUnavailable as error:
        raise PublishFailed(str(error)) from error
    return [Placed(*position) for position in positions]
