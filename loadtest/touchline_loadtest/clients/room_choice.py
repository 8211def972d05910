"""Which rooms people watch. Pure."""

from collections.abc import Sequence
from itertools import accumulate
from random import Random

from touchline_protocol.errors import BadRoom, OperatorError
from touchline_protocol.rooms import split_room

POPULARITY = 1.0
"""The exponent of Zipf's law: the second most popular room has half the audience of the first, the third a third."""

POPULARITY_MAX = 3.0
"""Beyond that, everybody is in the first room, and choosing others takes too long."""
ROOMS_MAX = 1_000_000
"""Rooms that a list may name: more than one machine can hold connections to."""
DIGITS_MAX = 18
"""Digits of a room's number, which then fits into 64 bits."""
COUNT_MAX = 1_000
"""Rooms that one client may watch: more than a server allows by default."""


class RoomChoice:
    """Chooses rooms: the n-th of ``rooms`` (from 1) with a weight of ``1 / n**popularity``; 0 for all alike.

    Raises:
        OperatorError: the popularity is out of its range.
    """

    def __init__(self, rooms: Sequence[str], popularity: float) -> None:
        if not 0 <= popularity <= POPULARITY_MAX:
            raise OperatorError(f"the popularity of rooms is {popularity:g}: it has to be 0 to {POPULARITY_MAX:g}")
        self.rooms = rooms
        self._weights = list(accumulate(1 / number**popularity for number in range(1, len(rooms) + 1)))

    def choose(self, count: int, random: Random) -> list[str]:
        """Different rooms, the most popular of them first; fewer than ``count`` if there are no more."""
        chosen: set[int] = set()
        while len(chosen) < min(count, len(self.rooms)):
            (number,) = random.choices(range(len(self.rooms)), cum_weights=self._weights)
            chosen.add(number)
        return [self.rooms[number] for number in sorted(chosen)]


def parse_rooms(text: str) -> list[str]:
    """The rooms that ``text`` names: ``score:15946,match:15946``, or ``score:1..500`` for a range of a feed.

    Raises:
        OperatorError: it is not such a list.
    """
    rooms: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        feed, colon, ids = part.partition(":")
        first, dots, last = ids.partition("..")
        if dots and first.isdecimal() and last.isdecimal():
            numbers = _numbers(part, first, last)
            if len(rooms) + len(numbers) > ROOMS_MAX:
                raise OperatorError(f"{part!r} makes it more than {ROOMS_MAX:,} rooms")
            rooms += [f"{feed}{colon}{number}" for number in numbers]
        else:
            rooms.append(part)
    for room in rooms:
        try:
            split_room(room)
        except BadRoom as error:
            raise OperatorError(str(error)) from None
    if not rooms:
        raise OperatorError("there are no rooms: name some, such as score:15946 or score:1..50")
    return rooms


def _numbers(part: str, first: str, last: str) -> range:
    if max(len(first), len(last)) > DIGITS_MAX or int(first) > int(last):
        raise OperatorError(f"{part!r} is not a range such as score:1..50")
    return range(int(first), int(last) + 1)


def parse_range(text: str) -> tuple[int, int]:
    """``1-5``, or ``3`` for exactly three: how many rooms a client watches.

    Raises:
        OperatorError: it is not a range.
    """
    least, dash, most = text.partition("-")
    if not least.isdecimal() or (dash and not most.isdecimal()) or max(len(least), len(most)) > DIGITS_MAX:
        raise OperatorError(f"{text!r} is not a range such as 1-5")
    low, high = int(least), int(most or least)
    if not 1 <= low <= high <= COUNT_MAX:
        raise OperatorError(f"{text!r} is not a range from 1 to {COUNT_MAX:,}, such as 1-5")
    return low, high
