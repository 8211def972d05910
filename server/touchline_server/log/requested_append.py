"""Appends records for a request that waits for them.

While it is known that the log does not answer, a request is refused at once: otherwise each would be held open for the
log's deadline, and those who send them again would pile up.
"""

from collections.abc import Sequence

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import AppendFailed, Entry, Log, Position


async def append_requested(log: Log, topic: str, entries: Sequence[Entry]) -> Sequence[Position]:
    """Append ``entries`` in order, and return their positions once they are durable.

    Raises:
        RecordsRefused: the log refuses one of them for good; those after it are not appended.
        TopicRefused: the log takes no records for the topic until an operator acts.
        AppendFailed: the log did not accept all of them; ``written`` says how many it did.
        UnknownTopic: the topic does not exist.
    """
    if (why := log.unreachable) is not None:
        raise AppendFailed(why)
    try:
        return await log.append(topic, entries)
    except AppendFailed:
        raise
    except LogUnavailable as error:
        raise AppendFailed(str(error)) from error
