"""A feed: the first part of a room's name, and the topic that holds its records."""

from typing import NamedTuple


class Feed(NamedTuple):
    """One kind of live data.

    ``key_field`` names the top-level field of a value that holds the event's key, for records without a ``key`` header.
    """

    name: str
    topic: str
    key_field: str | None = None
