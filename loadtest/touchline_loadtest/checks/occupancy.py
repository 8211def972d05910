"""Whether the numbers of viewers that servers tell are those of the clients that were in the rooms. Pure.

The clients' own notes say who was in which room when. A number is right if it was true at some moment of the last few
seconds: between the clients that certainly were in the room then, and those that may have been. How far one has to look
back is its *lag*. Bounds are the promises of docs/presence.md and docs/fleet.md.
"""

from bisect import bisect_right
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
    """How many were in a room, certainly and perhaps, from each of ``times_ms`` on."""

    def __init__(self, stays: Iterable[Stay]) -> None:
        changes: defaultdict[float, list[int]] = defaultdict(lambda: [0, 0])
        for stay in stays:
            changes[stay.asked_ms][1] += 1
            changes[stay.left_ms][1] -= 1
            if stay.joined_ms < stay.left_ms:
                changes[stay.joined_ms][0] += 1
                changes[stay.left_ms][0] -= 1
        self.times_ms = [0.0, *sorted(changes)]
        self.least, self.most = [0], [0]
        for at_ms in self.times_ms[1:]:
            self.least.append(self.least[-1] + changes[at_ms][0])
            self.most.append(self.most[-1] + changes[at_ms][1])

    def lag_s(self, count: Count) -> float:
        """How far one has to look back until the number was true; infinite if it never was."""
        index = bisect_right(self.times_ms, count.at_ms) - 1
        least, most = self.least[index], self.most[index]
        ago_ms = 0.0
        while not least <= count.viewers <= most:
            ago_ms = count.at_ms - self.times_ms[index]
            index -= 1
            if index < 0 or ago_ms > LOOK_BACK_S * 1000:
                return float("inf")
            least, most = min(least, self.least[index]), max(most, self.most[index])
        return ago_ms / 1000

    def is_high(self, count: Count) -> bool:
        """Whether a number that is wrong is too high."""
        first = bisect_right(self.times_ms, count.at_ms - LAG_S_MAX * 1000) - 1
        last = bisect_right(self.times_ms, count.at_ms)
        return count.viewers > max(self.most[first:last])


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
