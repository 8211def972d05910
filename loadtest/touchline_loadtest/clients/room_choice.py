"""Which rooms people watch. Pure."""

from collections.abc import Sequence
from itertools import accumulate
from random import Random

from touchline_protocol.errors import BadRoom, OperatorError
from touchline_protocol.rooms import split_room

POPULARITY = 1.0
"""The exponent of Zipf's law: the second most popular room has half the audience of the first, the third a third."""


class RoomChoice:
    """Chooses rooms: the n-th of ``rooms`` (from 1) with a weight of ``1 / n**popularity``; 0 for all alike."""

    def __init__(self, rooms: Sequence[str], popularity: float) -> None:
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
        if dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last):
            rooms += [f"{feed}{colon}{number}" for number in range(int(first), int(last) + 1)]
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


def parse_range(text: str) -> tuple[int, int]:
    """``1-5``, or ``3`` for exactly three.

    Raises:
        OperatorError: it is not a range.
    """
    least, dash, most = text.partition("-")
    if not least.isdecimal() or (dash and not most.isdecimal()) or int(least) > int(most or least):
        raise OperatorError(f"{text!r} is not a range such as 1-5")
    return int(least), int(most or least)
