"""The events that a client has of a room, and how it recognises them in another log.

After a failover to a mirror the offsets are others, so an event is known by what it says: its key, its timestamp and
its data. A mirror keeps the order of a partition. So everything up to the last event that is recognised is old, whether
or not the client has it (it may have been skipped, or be too long ago to be remembered), and everything behind it is
new.

Rules:

1. Events are recognised as a sequence: as many of the remembered events as possible, in the order in which the client
   received them (their longest common subsequence with the replay; Hyyrö 2004 for the bits). Of several such sequences
   the one that ends first counts: an event may then arrive twice, but none is missed.
2. An event that is equal to one of the newest ones is never forgotten before them, so of equal events as many are
   recognised as the client has had.
3. Once all events that must be in the replay are recognised, nothing more is compared. Older ones may be from before
   the place that it begins at.
4. An event that is not recognised is held back until a later one is, or until the server says that it has sent all: a
   mirror may lack the newest events, so only the end of the replay tells which recognised event was the last.
5. If none is recognised, neither there nor in the state, this is another log, and the client starts over.
"""

from array import array
from collections.abc import Iterable, Sequence

import msgspec

from touchline_protocol import messages

SEEN_EVENTS_MAX = 256
"""Events of a room that are remembered: a mirror may lag by that many, and the client still finds its place."""

EQUAL_EVENTS_MAX = 4_096
"""Events that are remembered if older ones are equal to the newest, 16 to 32 bytes each."""

HELD_EVENTS_MAX = 100_000
"""Events held back in a replay, mostly below a kilobyte each; beyond that the client starts over. Servers replay 50,000
records by default, besides those that they hold in memory."""

CLOCKS_DIFFER_MS = 10_000
"""By how much producers' clocks may differ, as the server's ``move_margin_s`` is by default. A replay has all events
whose time is not further than that before the newest one's."""

_INT64_MAX = 2**63 - 1


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

    __slots__ = ("_identities", "_times", "_trim_at")

    def __init__(self) -> None:
        self._identities = array("q")
        self._times = array("q")
        self._trim_at = 2 * SEEN_EVENTS_MAX

    def add(self, event: messages.Event) -> None:
        """The client received an event."""
        if len(self._identities) == self._trim_at:
            self.trim()
        self._identities.append(identity(event))
        self._times.append(max(-_INT64_MAX, min(event.ts, _INT64_MAX)))

    def begin(self, events: Iterable[messages.Event]) -> None:
        """The client started over with these events."""
        del self._identities[:], self._times[:]
        for event in sorted(events, key=lambda each: each.offset):
            self.add(event)

    def trim(self) -> tuple[Sequence[int], int]:
        """Forget what need not be remembered.

        Returns the identities of the rest, and how many of them may be missing in a replay, since they are too old.
        """
        kept = set(self._identities[-SEEN_EVENTS_MAX:])
        rest = [index for index, each in enumerate(self._identities) if each in kept][-EQUAL_EVENTS_MAX:]
        self._identities = array("q", [self._identities[index] for index in rest])
        self._times = array("q", [self._times[index] for index in rest])
        self._trim_at = max(2 * SEEN_EVENTS_MAX, 2 * len(rest))
        since_ms = self._times[-1] - CLOCKS_DIFFER_MS if self._times else 0
        return self._identities, next((index for index, ts in enumerate(self._times) if ts >= since_ms), 0)


class Replay:
    """A replay of another log: which of its events are new to the client.

    ``state`` is that of the answer, with the old events behind its head: a mirror that is still being filled may have
    those of its events that the client knows there.
    ``known``: the client's place is known, so that all further events are new. Until then ``held`` has those that are
    new if no later one is recognised. ``is_same_log``: something was recognised, so this is the log of before.
    ``seen_ts`` is the time of the client's newest event. A client that remembers no events, since it was only given a
    cursor, takes the first event of that time for the one that it had: it rather receives one twice than misses one.
    """

    __slots__ = ("_all", "_needed", "_open", "_places", "_seen_ts", "_state", "answer", "held", "is_same_log", "known")

    def __init__(self, answer: messages.Subscribed, seen: SeenEvents, seen_ts: int | None) -> None:
        self.answer = answer
        self.known = not answer.by_time
        self._seen_ts = seen_ts
        identities, old = seen.trim()
        self._places: dict[int, int] = {}  # of each identity, as bits
        for index, each in enumerate(identities):
            self._places[each] = self._places.get(each, 0) | 1 << index
        # The clear bits are where the longest sequence grows by one: their number is its length.
        self._open = self._all = (1 << len(identities)) - 1
        self._needed = self._all >> old << old
        self._state = {event.key: event for event in answer.state}
        self.held: list[messages.Event] = []
        self.is_same_log = any(identity(event) in self._places for event in answer.state)

    @property
    def state(self) -> Iterable[messages.Event]:
        """The newest event of each key, up to the last one that was recognised or the head of the answer."""
        return self._state.values()

    @property
    def is_too_long(self) -> bool:
        """Whether the client has lost track: more would have to be held back than it may."""
        return len(self.held) > HELD_EVENTS_MAX

    def take(self, event: messages.Event) -> None:
        """Take the next event, while the place is not ``known``."""
        if self._recognises(event):
            for old in (*self.held, event):
                self._keep(old)
            self.held.clear()
            self.is_same_log = True
        else:
            self.held.append(event)

    def _keep(self, old: messages.Event) -> None:
        if old.key is None or old.offset <= self.answer.head:
            return
        if old.data is None or (isinstance(old.data, msgspec.Raw) and bytes(old.data) == b"null"):
            self._state.pop(old.key, None)
        else:
            self._state[old.key] = old

    def _recognises(self, event: messages.Event) -> bool:
        if not self._all:
            self.known = event.ts == self._seen_ts
            return self.known
        before = self._open
        matched = before & self._places.get(identity(event), 0)
        self._open = (before + matched | before - matched) & self._all
        self.known = not self._open & self._needed
        return before + matched > self._all  # it grew: a bit was carried out
