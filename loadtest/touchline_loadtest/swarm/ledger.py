"""What can be proved of a client that only counts bytes. Pure.

All clients of a room receive the same frames, and the sample reads them: a `Ledger` has the end of each event in the
room's bytes. A counter knows how many bytes it has received since it joined, the position at which it joined each of
its rooms, and, from the end of what it received, which it reads, the last event of each of its rooms. The bytes between
the two positions, over all of its rooms, must be exactly what it counted: one missing, repeated or cut event shows.

Two things cannot be seen at the end. The last event of a room that was quiet then is one of the few that the sample
received at about that time: one of them has to fit. And a heartbeat is counted like any frame: a few may be surplus.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from touchline_protocol.codecs import JSON
from touchline_protocol.frames import OP_TEXT, frame
from touchline_protocol.messages import Beat

BEAT_BYTES = len(frame(OP_TEXT, JSON.encode(Beat())))
SLACK_NS = 2_000_000_000
"""How much earlier or later than a counter the sample may receive an event: both may wait for a busy core."""
SUMS_MAX = 20_000
"""Combinations of the quiet rooms' last events that are tried. Beyond that, a sum would prove nothing."""


class Ledger(msgspec.Struct):
    """A room's events as the sample received them: offsets, ends in bytes, arrivals (ns of the monotonic clock)."""

    offsets: list[int]
    ends: list[int]
    arrivals_ns: list[int]

    def add(self, offset: int, size_bytes: int, arrived_ns: int) -> None:
        """A member of the sample has received an event. All but the first to do so are ignored."""
        if not self.offsets or offset > self.offsets[-1]:
            self.offsets.append(offset)
            self.ends.append(size_bytes + (self.ends[-1] if self.ends else 0))
            self.arrivals_ns.append(arrived_ns)

    @property
    def newest(self) -> int:
        """The last offset; -1 without events."""
        return self.offsets[-1] if self.offsets else -1

    def has(self, offset: int) -> bool:
        """Whether there is an event with this offset."""
        index = bisect_left(self.offsets, offset)
        return index < len(self.offsets) and self.offsets[index] == offset

    def count(self, position: int) -> int:
        """How many events there are up to an offset."""
        return bisect_right(self.offsets, position)

    def end(self, position: int) -> int:
        """Where the events up to an offset end, in bytes."""
        count = self.count(position)
        return self.ends[count - 1] if count else 0

    def around(self, began_ns: int, ended_ns: int) -> list[int]:
        """The offsets that may have been a client's last one between two moments, if none of them arrived then."""
        first = bisect_left(self.arrivals_ns, began_ns - SLACK_NS)
        last = bisect_right(self.arrivals_ns, ended_ns + SLACK_NS)
        return [-1, *self.offsets][first : last + 1]


class Counted(msgspec.Struct):
    """What a counter knows. ``joined`` maps its rooms to the position at which it joined, ``last`` to the last event
    that it has read at the end, between ``began_ns`` and ``ended_ns``. ``beats_max`` is how many heartbeats it may have
    received."""

    size_bytes: int
    joined: Mapping[str, int]
    last: Mapping[str, int]
    began_ns: int
    ended_ns: int
    beats_max: int


class Account(msgspec.Struct):
    """The result for one counter. ``wrong`` is empty if the bytes match, and says what is wrong otherwise.

    ``events`` is how many it has received. ``undecided``: too many combinations would match.
    """

    events: int = 0
    wrong: str = ""
    undecided: bool = False


def check_counted(counted: Counted, ledgers: Mapping[str, Ledger]) -> Account:
    """Compare what a counter has received with the ledgers of its rooms."""
    events = size = 0
    quiet: list[Sequence[tuple[int, int]]] = []
    for room, joined in counted.joined.items():
        ledger = ledgers.get(room) or Ledger([], [], [])
        last = counted.last.get(room)
        if last is not None and not ledger.has(last):
            return Account(wrong=f"in {room} it received offset {last}, which the sample did not")
        found = [last] if last is not None else ledger.around(counted.began_ns, counted.ended_ns)
        choices = sorted({max(offset, joined) for offset in found})
        ends = [(ledger.end(one) - ledger.end(joined), ledger.count(one) - ledger.count(joined)) for one in choices]
        if len(ends) == 1:
            size, events = size + ends[0][0], events + ends[0][1]
        else:
            quiet.append(ends)
    combinations = _sums(quiet)
    if combinations is None:
        return Account(events, undecided=True)
    for extra, count in combinations:
        surplus = counted.size_bytes - size - extra
        if surplus % BEAT_BYTES == 0 and 0 <= surplus <= counted.beats_max * BEAT_BYTES:
            return Account(events + count)
    likely = size + max(extra for extra, _ in combinations)
    return Account(events, f"it received {counted.size_bytes} bytes, but {likely} were sent to its rooms")


def _sums(quiet: Iterable[Sequence[tuple[int, int]]]) -> list[tuple[int, int]] | None:
    """The sums of one pair of each sequence; None if there are too many."""
    sums = {(0, 0)}
    for choices in quiet:
        if len(sums) * len(choices) > SUMS_MAX:
            return None
        sums = {(size + more, events + count) for size, events in sums for more, count in choices}
    return sorted(sums)
