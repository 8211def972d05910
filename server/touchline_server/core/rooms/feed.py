"""A feed: the first part of a room's name, and the topic that holds its records."""

from typing import NamedTuple

from touchline_protocol.records import Record
from touchline_protocol.tracing.traceparent import Traceparents, header_traceparent, is_sampled


class Feed(NamedTuple):
    """One kind of live data.

    ``key_field`` names the top-level field of a value that holds the event's key, for records without a ``key`` header.
    """

    name: str
    topic: str
    key_field: str | None = None
    traceparents: Traceparents = "all"

    def traceparent_of(self, record: Record) -> str | None:
        """The ``traceparent`` of the event that a record becomes."""
        return self.shown(header_traceparent(record.headers)) if record.headers else None

    def shown(self, traceparent: str | None) -> str | None:
        """``traceparent`` if the feed's clients receive it."""
        if traceparent is None or self.traceparents == "none":
            return None
        return traceparent if self.traceparents == "all" or is_sampled(traceparent) else None
