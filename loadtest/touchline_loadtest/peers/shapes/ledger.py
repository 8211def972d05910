"""What one client received, room by room: which events are missing, came twice or came out of order, and how long each
replay took.

This is not the checker of `checks`: that one holds a client to Touchline's log and protocol, and peers have neither.
Here an event's number is all that is known of it. Pure: it knows neither sockets nor clocks. Events are numbered from 1
within each room; times are nanoseconds of the monotonic clock. Rules:

1. An event whose number was passed over is missing from that moment on, and out of order if it comes after all.
2. A replay is complete when the client has every event that was published between its last one and its return. Until
   then, or if that never happens, it has no duration.
"""

from collections.abc import Iterable, Mapping

Range = tuple[int, int]
"""The first and the last number of consecutive events."""


class RoomLedger:
    """The events of one room. ``newest`` is the highest number so far; before the first event, that at joining."""

    __slots__ = ("duplicates", "missing", "newest", "swaps")

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.missing: set[int] = set()
        self.duplicates = 0
        self.swaps = 0

    def note(self, number: int) -> bool:
        """An event arrived; returns whether it is a new one."""
        if number > self.newest:
            self.missing.update(range(self.newest + 1, number))
            self.newest = number
            return True
        if number in self.missing:
            self.missing.remove(number)
            self.swaps += 1
            return True
        self.duplicates += 1
        return False

    def begin(self, newest: int) -> None:
        """Forget everything up to ``newest``."""
        self.newest = max(self.newest, newest)
        self.missing.clear()
        self.duplicates = self.swaps = 0

    def lacking(self, events: Range) -> int:
        """How many of ``events`` did not arrive."""
        first, last = events
        tail = max(0, last - max(self.newest, first - 1))
        return tail + sum(first <= number <= last for number in self.missing)


class Replay:
    """One return of a client: what it has to catch up with, and when it had.

    ``missed`` has the events, by room, that were published while it was away. ``duration_ns`` is None until the client
    has all of them.
    """

    __slots__ = ("_left", "duration_ns", "missed", "returned_ns")

    def __init__(self, returned_ns: int, missed: Mapping[str, Range]) -> None:
        self.returned_ns = returned_ns
        self.missed = missed
        self.duration_ns: int | None = None
        self._left = sum(last - first + 1 for first, last in missed.values())

    def note(self, room: str, number: int, now_ns: int) -> None:
        """An event arrived that the client did not have."""
        if room not in self.missed:
            return
        first, last = self.missed[room]
        if first <= number <= last:
            self._left -= 1
            if not self._left:
                self.duration_ns = now_ns - self.returned_ns


class ClientLedger:
    """All rooms of one client, and its returns. ``joined_at`` has the newest number of each room when it joined."""

    __slots__ = ("_replay", "arrived", "replays", "rooms")

    def __init__(self, joined_at: Mapping[str, int]) -> None:
        self.rooms = {room: RoomLedger(newest) for room, newest in joined_at.items()}
        self.replays: list[Replay] = []
        self.arrived = 0
        self._replay: Replay | None = None

    def begin(self, published: Mapping[str, int]) -> None:
        """A phase begins: forget the findings, and what was published before it."""
        for room, ledger in self.rooms.items():
            ledger.begin(published[room])
        self.replays = []
        self._replay = None

    def note(self, events: Iterable[tuple[str, int]], now_ns: int) -> None:
        """Events arrived at ``now_ns``, each with its room and number.

        Raises:
            KeyError: an event is of a room that this client is not in.
        """
        for room, number in events:
            self.arrived += 1
            if self.rooms[room].note(number) and self._replay is not None:
                self._replay.note(room, number, now_ns)

    def came_back(self, published: Mapping[str, int], now_ns: int) -> None:
        """The client begins to reconnect, when ``published`` has the newest number of each room."""
        missed = {
            room: (ledger.newest + 1, published[room])
            for room, ledger in self.rooms.items()
            if published[room] > ledger.newest
        }
        self._replay = Replay(now_ns, missed) if missed else None
        if self._replay is not None:
            self.replays.append(self._replay)

    @property
    def duplicates(self) -> int:
        """Events that arrived although the client had them."""
        return sum(room.duplicates for room in self.rooms.values())

    @property
    def swaps(self) -> int:
        """Events that arrived after a later one of their room."""
        return sum(room.swaps for room in self.rooms.values())

    def lacking(self, published: Mapping[str, Range]) -> int:
        """How many of the ``published`` events of its rooms did not arrive."""
        return sum(ledger.lacking(published[room]) for room, ledger in self.rooms.items())
