"""The events that a client has of a room, and how it recognises them in another log.

After a failover to a mirror the offsets are others, so an event is known by what it says: its key, its timestamp and
its data. A mirror keeps the order of a partition. So everything up to the last event that is recognised is old, whether
or not the client has it (it may have been skipped, or be too long ago to be remembered), and everything behind it is
new.

Rules:

1. Events are recognised in the order in which the client received them, and each at most once. Of two equal events the
   second is recognised only if the client has had two.
2. Once the newest event that the client has is recognised, nothing more is compared.
3. An event that is not recognised is held back until a later one is, or until the server says that it has sent all: a
   mirror may lack the newest events, so only the end of the replay tells which recognised event was the last.
4. If none is recognised, neither there nor in the state, this is another log, and the client starts over.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from touchline_protocol import messages

SEEN_EVENTS_MAX = 256
"""Events of a room that are remembered, 8 to 16 bytes each: a mirror may lag by that many, and the client still finds
its place."""

HELD_EVENTS_MAX = 10_000
"""Events held back in a replay, some kilobytes each. Beyond that the client starts over."""


def identity(event: messages.Event) -> int:
    """What an event is recognised by. It means something only within this process."""
    data = event.data
    if isinstance(data, msgspec.Raw):
        return hash((event.key, event.ts, bytes(data)))
    try:
        return hash((event.key, event.ts, msgspec.json.encode(data)))
    except OverflowError:  # an integer of more than 64 bits
        return hash((event.key, event.ts, repr(data)))


class SeenEvents:
    """The newest events that a client has of one room, oldest first."""

    __slots__ = ("_identities",)

    def __init__(self) -> None:
        self._identities = array("q")

    @property
    def identities(self) -> Sequence[int]:
        """Their identities, at most `SEEN_EVENTS_MAX`."""
        return self._identities[-SEEN_EVENTS_MAX:]

    def add(self, event: messages.Event) -> None:
        """The client received an event."""
        if len(self._identities) == 2 * SEEN_EVENTS_MAX:
            del self._identities[:SEEN_EVENTS_MAX]
        self._identities.append(identity(event))

    def begin(self, events: Iterable[messages.Event]) -> None:
        """The client started over with these events."""
        del self._identities[:]
        for event in sorted(events, key=lambda each: each.offset):
            self.add(event)


class Replay:
    """A replay of another log: which of its events are new to the client.

    ``known``: the client's place is known, so that all further events are new. Until then ``held`` has those that are
    new if no later one is recognised. ``is_same_log``: something was recognised, so this is the log of before.
    ``seen_ts`` is the time of the client's newest event. A client that remembers no events, since it was only given a
    cursor, takes the first event of that time for the one that it had: it rather receives one twice than misses one.
    """

    __slots__ = ("_indices", "_next", "_seen", "_seen_ts", "answer", "held", "is_same_log", "known")

    def __init__(self, answer: messages.Subscribed, seen: SeenEvents, seen_ts: int | None) -> None:
        self.answer = answer
        self.known = not answer.by_time
        self._seen = seen.identities
        self._seen_ts = seen_ts
        self._indices: dict[int, list[int]] = {}
        for index, each in enumerate(self._seen):
            self._indices.setdefault(each, []).append(index)
        self._next = 0
        self.held: list[messages.Event] = []
        self.is_same_log = any(identity(event) in self._indices for event in answer.state)

    @property
    def is_too_long(self) -> bool:
        """Whether the client has lost track: more would have to be held back than it may."""
        return len(self.held) > HELD_EVENTS_MAX

    def take(self, event: messages.Event) -> None:
        """Take the next event, while the place is not ``known``."""
        if self._recognises(event):
            self.held.clear()
            self.is_same_log = True
        else:
            self.held.append(event)

    def _recognises(self, event: messages.Event) -> bool:
        if not self._seen:
            self.known = event.ts == self._seen_ts
            return self.known
        indices = self._indices.get(identity(event), ())
        place = bisect_left(indices, self._next)
        if place == len(indices):
            return False
        self._next = indices[place] + 1
        self.known = self._next == len(self._seen)
        return True
