"""Matches that begin and end, each in a room of its own: one after the other on each pitch.

The events are generated here and not taken from the server's simulator, because the suite knows a server by its ports
alone, and because each event has to carry the time at which it was due.
"""

import asyncio
import time
from random import Random

from touchline_loadtest.wire.event_values import event_value

from .keyed_publisher import KeyedPublisher
from .pace import publish_steadily
from .publisher import FEED

BEFORE_S = 0.5
"""How long a room can have watchers before its first event."""
LENGTH_SHARES = (0.5, 1.5)
BREAK_SHARES = (0.0, 0.1)
"""Shares of a match's typical length: how long a match takes, and how long a pitch stays empty between two matches."""
END_KEY = "full-time"


class Match:
    """One match, which is ``over`` once its last event is published."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.over = asyncio.Event()


class MatchSchedule:
    """All matches of a season. ``over`` is set when the last one has ended."""

    def __init__(
        self, publisher: KeyedPublisher, chance: Random, *, rate_hz: float, event_bytes: int, match_s: float
    ) -> None:
        self.publisher = publisher
        self.match_s = match_s
        self.current: list[Match] = []
        self.played: list[Match] = []
        self.over = asyncio.Event()
        self.publisher_late_s = 0.0
        self._chance = chance
        self._rate_hz = rate_hz
        self._event_bytes = event_bytes

    async def play(self, pitches: int, seconds: float) -> None:
        """Play on ``pitches`` for ``seconds``; matches that are still on then end early."""
        end_s = time.monotonic() + seconds
        try:
            async with asyncio.TaskGroup() as group:
                for pitch in range(pitches):
                    group.create_task(self._play_on_pitch(pitch * self.match_s / pitches, end_s))
        finally:
            self.over.set()

    async def _play_on_pitch(self, kick_off_s: float, end_s: float) -> None:
        await asyncio.sleep(kick_off_s)
        while (left_s := end_s - time.monotonic() - BEFORE_S) > 0:
            await self._play_match(min(left_s, self._share_of_match_s(LENGTH_SHARES)))
            await asyncio.sleep(min(self._share_of_match_s(BREAK_SHARES), max(0.0, end_s - time.monotonic())))

    def _share_of_match_s(self, shares: tuple[float, float]) -> float:
        return self.match_s * self._chance.uniform(*shares)

    async def _play_match(self, length_s: float) -> None:
        number = len(self.played) + len(self.current) + 1
        match = Match(f"{FEED}:{number}")
        self.current.append(match)
        await asyncio.sleep(BEFORE_S)
        late_s = await publish_steadily(
            self.publisher,
            [match.room],
            rate_hz=self._rate_hz,
            count=max(1, round(self._rate_hz * length_s)),
            size_bytes=self._event_bytes,
        )
        self.publisher_late_s = max(self.publisher_late_s, late_s)
        end = event_value(time.monotonic_ns(), self._event_bytes)
        await self.publisher.publish_with_key(match.room, END_KEY, end)
        self.current.remove(match)
        self.played.append(match)
        match.over.set()
