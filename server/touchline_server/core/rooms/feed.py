"""What a feed is: the name that rooms carry, and the topic that its records are in."""

from typing import NamedTuple


class Feed(NamedTuple):
    """A kind of live data.

    ``key_field`` is the top-level field of a value that holds the event's key, where producers set no ``key`` header.
    """

    name: str
    topic: str
    key_field: str | None = None
