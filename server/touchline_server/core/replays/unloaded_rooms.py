"""Rooms that clients were let into without their older state, and which of them the store is asked for again.

Rules:

1. There is a round every `ASK_AGAIN_MS`. It asks for one room of each partition, since a store may be behind in one
   partition and not in another.
2. Once an answer of a partition can be used, all other rooms of it follow at once, one after the other.
3. While the store as a whole does not answer, a round asks for a single room.
"""

from collections import deque
from collections.abc import Container
from typing import Generic

from touchline_server.core.clients.client import ClientRoom
from touchline_server.core.clocks import LoopMs
from touchline_server.core.effects import Owner
from touchline_server.core.rooms.partition_window import PartitionWindow

ASK_AGAIN_MS = 500
"""How soon a store that was away or behind is asked again."""


class UnloadedRooms(Generic[Owner]):
    """The rooms, by the partition that they were in when they were added; the oldest first."""

    def __init__(self) -> None:
        self._rooms: dict[PartitionWindow, dict[ClientRoom[Owner], None]] = {}
        self._windows: dict[ClientRoom[Owner], PartitionWindow] = {}
        self._due: deque[PartitionWindow] = deque()
        """The partitions whose turn is still to come."""
        self._next_round_ms = LoopMs(0)

    def __len__(self) -> int:
        """How many rooms there are."""
        return len(self._windows)

    def __contains__(self, room: ClientRoom[Owner]) -> bool:
        """Whether a room is one of them."""
        return room in self._windows

    def add(self, room: ClientRoom[Owner], now_ms: LoopMs) -> None:
        """Clients are in a room that could not be loaded. It is the last of its partition to be asked for again."""
        if not self._windows:
            self._next_round_ms = LoopMs(now_ms + ASK_AGAIN_MS)
        self.discard(room)
        window = self._windows[room] = room.contents.window
        self._rooms.setdefault(window, {})[room] = None

    def discard(self, room: ClientRoom[Owner]) -> None:
        """A room was loaded, or nobody is in it any more."""
        window = self._windows.pop(room, None)
        if window is not None:
            del self._rooms[window][room]
            if not self._rooms[window]:
                del self._rooms[window]

    def begin_round(self, now_ms: LoopMs, *, is_away: bool) -> None:
        """Begin a round, if it is time. ``is_away``: the store did not answer the last time."""
        if self._rooms and now_ms >= self._next_round_ms:
            self._next_round_ms = LoopMs(now_ms + ASK_AGAIN_MS)
            self._due = deque(list(self._rooms)[:1] if is_away else self._rooms)

    def end_round(self) -> None:
        """The store does not answer: nobody's turn comes before the next round."""
        self._due.clear()

    def go_on(self, window: PartitionWindow, *, was_away: bool) -> None:
        """The store has answered about a room of a partition; ``was_away``: for the first time again."""
        if was_away:
            self._due = deque(self._rooms)
        elif window in self._rooms and window not in self._due:
            self._due.append(window)

    def take(self, asked: Container[ClientRoom[Owner]]) -> ClientRoom[Owner] | None:
        """The next room to ask for, which is not ``asked`` for already; None if no partition has a turn."""
        while self._due:
            for room in list(self._rooms.get(self._due.popleft(), ())):
                if not room.members or room.contents.loaded:
                    self.discard(room)
                elif room not in asked:
                    return room
        return None
