"""The outbox of presence in memory: for one process, and gone with it."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from touchline_protocol.presence.records import PresenceKind, PresenceRecord
from touchline_server.config.presence import PresenceSettings
from touchline_server.core.presence.outbox import Taken, Waiting

from .presence import MemoryFleet

TAKEN_MAX = 1000
"""Records that are taken at once."""
STATES_MAX = 100
"""Records ``room_state`` that are made at once. While as many other records wait as can be taken, states wait too."""

OWED = 0
"""The time of a state that is due at once, since records of its room were dropped."""


def unix_us() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


class MemoryOutbox:
    """The records of ``fleet``. It implements `Outbox`."""

    def __init__(self, fleet: MemoryFleet, settings: PresenceSettings, now_us: Callable[[], int] = unix_us) -> None:
        self._fleet = fleet
        self._now_us = now_us
        self._records_max = settings.outbox_max
        self._room_state_us = round(settings.room_state_s * 1e6)
        self._records: deque[PresenceRecord] = deque()
        self._due_us: dict[str, int] = {}
        """When each room that is occupied, or owes its state, gets its next ``room_state``."""
        self._seq = 0
        self._dropped = 0
        fleet.observe(self._changed)

    async def take(self, written: Sequence[Waiting] = ()) -> Taken:
        """Remove what was written, and take the next records."""
        await self.leave(written)
        self._record_states()
        dropped, self._dropped = self._dropped, 0
        return Taken([Waiting(0, self._records[n]) for n in range(min(TAKEN_MAX, len(self._records)))], dropped)

    async def leave(self, written: Sequence[Waiting] = ()) -> None:
        """Remove what was written."""
        newest = written[-1].record.seq if written else 0
        while self._records and self._records[0].seq <= newest:
            self._records.popleft()

    def _changed(self, kind: PresenceKind, room: str, player: str | None) -> None:
        if self._due_us.get(room) == OWED:
            return  # its state will include it
        self._append(kind, room, player=player)
        if kind == "room_occupied":
            self._due_us[room] = self._now_us() + self._room_state_us
        elif kind == "room_empty":
            self._due_us.pop(room, None)
        while len(self._records) > self._records_max:
            self._dropped += 1
            self._due_us[self._records.popleft().room] = OWED

    def _append(
        self,
        kind: PresenceKind,
        room: str,
        *,
        player: str | None = None,
        viewers: int | None = None,
        players: list[str] | None = None,
    ) -> None:
        self._seq = max(self._seq + 1, self._now_us())
        self._records.append(
            PresenceRecord(kind, room, self._seq, self._seq // 1000, player=player, viewers=viewers, players=players)
        )

    def _record_states(self) -> None:
        if len(self._records) >= TAKEN_MAX:
            return
        now_us = self._now_us()
        due = [room for room, due_us in self._due_us.items() if due_us <= now_us][:STATES_MAX]
        for room in due:
            viewers, members = self._fleet.viewers(room), self._fleet.members(room)
            players = sorted(members) if isinstance(members, frozenset) else None
            self._append("room_state", room, viewers=viewers, players=players)
            if viewers:
                self._due_us[room] = now_us + self._room_state_us
            else:
                del self._due_us[room]
