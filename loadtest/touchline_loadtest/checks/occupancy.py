"""Whether the numbers of viewers that servers tell are those of the clients that were in the rooms. Pure.

The clients' own notes say who was in which room when. A number adds up what several processes have reported, each at a
time of its own. So it is right if it lies between the clients that certainly were in the room all the time of the last
few seconds, and those that may have been there for a moment of them. How far one has to look back is its *lag*. Bounds
are the promises of docs/presence.md and docs/fleet.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LAG_S_MAX = 3.0
"""A change is seen everywhere within this time."""
LOOK_BACK_S = 30.0
"""A number that was not true within this time is just wrong."""


class Stay(NamedTuple):
    """A client in a room: it asked to join, was let in (infinite if it never was), and left or lost its connection."""

    room: str
    asked_ms: float
    joined_ms: float
    left_ms: float


class Count(NamedTuple):
    """The number of viewers that a server told at this time. ``source`` says how, and which server."""

    at_ms: float
    source: str
    room: str
    viewers: int
    complete: bool


class Disturbance(NamedTuple):
    """Something after which numbers may be wrong for a while: from ``at_ms`` until ``bound_s`` after ``from_ms``.

    ``only_high``: they may only be too high, since the dead are still counted.
    """

    what: str
    at_ms: float
    from_ms: float
    bound_s: float
    only_high: bool = False


class Findings(NamedTuple):
    """``right_after_s`` is when the last wrong or incomplete number was told, after each disturbance, in their order.

    ``lag_s`` is the longest lag of all others, infinite if one was wrong; ``worst`` is that number.
    """

    compared: int
    lag_s: float
    worst: Count | None
    right_after_s: Sequence[float]


class _Room:
    """All stays in a room."""

    def __init__(self, stays: Sequence[Stay]) -> None:
        self._stays = stays

    def lag_s(self, count: Count) -> float:
        """How far one has to look back until the number may be right; infinite if that is too far."""
        at_ms = count.at_ms
        sure = [stay.joined_ms for stay in self._stays if stay.joined_ms <= at_ms < stay.left_ms]
        if (extra := len(sure) - count.viewers) > 0:
            return _bounded_s(at_ms - sorted(sure)[-extra])
        possible = sum(stay.asked_ms <= at_ms < stay.left_ms for stay in self._stays)
        if (lacking := count.viewers - possible) > 0:
            gone = sorted(stay.left_ms for stay in self._stays if stay.left_ms <= at_ms)
            return _bounded_s(at_ms - gone[-lacking]) if lacking <= len(gone) else float("inf")
        return 0.0

    def is_high(self, count: Count) -> bool:
        """Whether a number is higher than it can be now."""
        return count.viewers > sum(stay.asked_ms <= count.at_ms < stay.left_ms for stay in self._stays)


def _bounded_s(ms: float) -> float:
    return ms / 1000 if ms <= LOOK_BACK_S * 1000 else float("inf")


def check_occupancy(
    stays: Iterable[Stay], counts: Iterable[Count], disturbances: Sequence[Disturbance] = ()
) -> Findings:
    """Compare numbers with the clients. Those that a server told before its first complete one do not count."""
    by_room: defaultdict[str, list[Stay]] = defaultdict(list)
    for stay in stays:
        by_room[stay.room].append(stay)
    rooms: dict[str, _Room] = {}
    begun: set[tuple[str, str]] = set()
    after_s = [0.0] * len(disturbances)
    compared, longest_s, worst = 0, 0.0, None
    for count in sorted(counts):
        if count.complete:
            begun.add((count.source, count.room))
        elif (count.source, count.room) not in begun:
            continue
        if (room := rooms.get(count.room)) is None:
            room = rooms[count.room] = _Room(by_room[count.room])
        compared += 1
        lag_s = room.lag_s(count) if count.complete else float("inf")
        if lag_s > LAG_S_MAX:
            high = count.complete and room.is_high(count)
            place = _explanation(count, disturbances, high=high)
            if place is not None:
                after_s[place] = max(after_s[place], (count.at_ms - disturbances[place].from_ms) / 1000)
                continue
        if lag_s > longest_s:
            longest_s, worst = lag_s, count
    return Findings(compared, longest_s, worst, after_s)


def _explanation(count: Count, disturbances: Sequence[Disturbance], *, high: bool) -> int | None:
    """The place of the last disturbance before a number that can explain it."""
    places = [
        place for place, each in enumerate(disturbances) if each.at_ms <= count.at_ms and (high or not each.only_high)
    ]
    return max(places, key=lambda place: disturbances[place].at_ms, default=None)
