"""Matches that come and go, each a room: one after the other on each pitch, from before its first event to its end.

What is played is made up here: the suite knows a server by its ports alone, so it has no part in the server's
simulator, and an event has to say when it was due.
"""

import asyncio
import time
from random import Random

from .kafka import FEED
from .keyed import Keyed
from .publishing import publish_steadily
from .wire import event_value

BEFORE_S = 0.5
"""A room has watchers before its first event."""
LENGTH_SHARES = (0.5, 1.5)
BREAK_SHARES = (0.0, 0.1)
"""Of the usual time of a match: how long one takes, and how long a pitch is empty between two."""
END_KEY = "full-time"


class Match:
    """One room, when it began, in seconds since the season did, and what its newest event is once it is ``over``."""

    def __init__(self, room: str, began_s: float) -> None:
        self.room = room
        self.began_s = began_s
        self.over = asyncio.Event()
        self.end_due_ns = 0


class Matches:
    """All matches of a season. ``over`` is set when the last one has ended."""

    def __init__(self, keyed: Keyed, chance: Random, *, rate_hz: float, event_bytes: int, match_s: float) -> None:
        self.keyed = keyed
        self.now_on: list[Match] = []
        self.played: list[Match] = []
        self.over = asyncio.Event()
        self.publisher_late_s = 0.0
        self._began_s = 0.0
        self._chance = chance
        self._rate_hz = rate_hz
        self._event_bytes = event_bytes
        self.match_s = match_s

    async def play(self, pitches: int, seconds: float) -> None:
        """Play on so many pitches for so long; what is under way then ends early."""
        self._began_s = time.monotonic()
        end_s = self._began_s + seconds
        try:
            async with asyncio.TaskGroup() as group:
                for pitch in range(pitches):
                    group.create_task(self._pitch(pitch * self.match_s / pitches, end_s))
        finally:
            self.over.set()

    async def _pitch(self, kick_off_s: float, end_s: float) -> None:
        await asyncio.sleep(kick_off_s)
        while (left_s := end_s - time.monotonic() - BEFORE_S) > 0:
            await self._match(min(left_s, self._some_time_s(LENGTH_SHARES)))
            await asyncio.sleep(min(self._some_time_s(BREAK_SHARES), max(0.0, end_s - time.monotonic())))

    def _some_time_s(self, shares: tuple[float, float]) -> float:
        return self.match_s * self._chance.uniform(*shares)

    async def _match(self, length_s: float) -> None:
        number = len(self.played) + len(self.now_on) + 1
        match = Match(f"{FEED}:{number}", time.monotonic() - self._began_s)
        self.now_on.append(match)
        await asyncio.sleep(BEFORE_S)
        late_s = await publish_steadily(
            self.keyed,
            [match.room],
            rate_hz=self._rate_hz,
            count=max(1, round(self._rate_hz * length_s)),
            size_bytes=self._event_bytes,
        )
        self.publisher_late_s = max(self.publisher_late_s, late_s)
        match.end_due_ns = time.monotonic_ns()
        await self.keyed.say(match.room, END_KEY, event_value(match.end_due_ns, self._event_bytes))
        self.now_on.remove(match)
        self.played.append(match)
        match.over.set()
