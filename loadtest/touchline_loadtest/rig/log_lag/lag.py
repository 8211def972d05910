"""How many events of the log clients do not have yet. Pure."""

from collections.abc import Mapping
from typing import NamedTuple


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


def lag(ends: Mapping[Partition, int], places: Mapping[str, Partition], newest: Mapping[str, int]) -> int:
    """Events, over all partitions, between the newest one of the log and the newest one that a client has.

    ``ends`` has the offset behind the newest record of each partition, ``places`` the partition of each room, and
    ``newest`` the offset of the newest event that a client has of each room. The rooms have to be all of those to which
    something is published: a record of another room would seem to be on its way for ever.
    """
    reached: dict[Partition, int] = {}
    for room, offset in newest.items():
        reached[places[room]] = max(offset, reached.get(places[room], -1))
    return sum(max(0, ends[partition] - 1 - offset) for partition, offset in reached.items())
