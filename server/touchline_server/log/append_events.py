"""Appends a room's events to a log, for the node's HTTP API and for commands with ``--log``."""

from collections.abc import Sequence

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import AppendFailed, Entry, Log, Position
from touchline_server.new_events import NewEvent, record_fields


async def append_events(log: Log, topic: str, room_id: str, events: Sequence[NewEvent]) -> list[Position]:
    """Append ``events`` in order, and return their positions.

    Raises:
        RecordsRefused: the log refuses one of them for good; those after it are not appended.
        TopicRefused: the log takes no records for the topic until an operator acts.
        AppendFailed: the log did not accept all of them; ``written`` says how many it did.
        UnknownTopic: the topic does not exist.
    """
    entries = [Entry(*record_fields(room_id, event)) for event in events]
    try:
        return list(await log.append(topic, entries))
    except AppendFailed:
        raise
    except LogUnavailable as error:
        raise AppendFailed(str(error)) from error
