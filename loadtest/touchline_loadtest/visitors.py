"""Visitors of matches: they come, stay for a while, leave in one way or another, and some come back with a cursor.

Rule: whoever is in a room when its match is over, or comes back to it later, has to have all of it.
"""

import asyncio
import contextlib
import time
from random import Random

from .clients import CrowdFailed
from .followers import Follower, follow
from .following import Following
from .matches import Match, Matches

STAY_SHARES = (0.05, 1.0)
AWAY_SHARES = (0.0, 0.4)
"""Of a match's usual time: up to 8 s of 20, so some come back to what a squeezed window (4.2 s) has no more."""
COMES_BACK_SHARE = 0.6
GOODBYE, NO_GOODBYE, SILENT = "goodbye", "no goodbye", "silent"
WAYS_TO_GO = {GOODBYE: 5, NO_GOODBYE: 4, SILENT: 1}
"""How to leave, and how often: with a close frame, by an end of the connection, or without anything at all."""
SILENT_S = 30.0
"""A silent one's connection is cut then, as the kernel would do it. The server's own patience (60 s) is longer."""
END_TIMEOUT_S = 15.0
POLL_S = 0.05


class Visitors:
    """Some hundreds of visitors, and what they found, together."""

    def __init__(self, port: int, matches: Matches, chance: Random) -> None:
        self.joins = 0
        self.left = dict.fromkeys(WAYS_TO_GO, 0)
        self.lost: list[str] = []
        self.lacking = 0
        self.followings: list[Following] = []
        self._port = port
        self._matches = matches
        self._chance = chance

    async def come_and_go(self, count: int) -> None:
        """Keep ``count`` visitors about until the last match is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._visit_one_after_the_other(group))

    async def _visit_one_after_the_other(self, group: asyncio.TaskGroup) -> None:
        while not self._matches.over.is_set():
            if self._matches.now_on:
                await self._visit(group, self._chance.choice(self._matches.now_on))
            else:
                await asyncio.sleep(POLL_S)

    async def _visit(self, group: asyncio.TaskGroup, match: Match) -> None:
        following = Following(match.room, self._chance.choice(("all", "latest")))
        self.followings.append(following)
        comes_back = True
        while comes_back:
            try:
                follower = await follow(self._port, following)
            except CrowdFailed as error:
                self.lost.append(str(error))
                return
            self.joins += 1
            await _stay(match, self._some_time_s(STAY_SHARES))
            comes_back = not match.over.is_set() and self._chance.random() < COMES_BACK_SHARE
            if match.over.is_set():
                self.lacking += not await self._saw_the_end(following, match)
            await self._go(group, follower)
            if comes_back:
                await asyncio.sleep(self._some_time_s(AWAY_SHARES))

    def _some_time_s(self, shares: tuple[float, float]) -> float:
        return self._matches.match_s * self._chance.uniform(*shares)

    async def _saw_the_end(self, following: Following, match: Match) -> bool:
        """Wait until all that is state is as it was published, the event that ends a match included."""
        state = _state(self._matches.keyed.newest[match.room])
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while _state(following.newest) != state:
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def _go(self, group: asyncio.TaskGroup, follower: Follower) -> None:
        (way,) = self._chance.choices(list(WAYS_TO_GO), list(WAYS_TO_GO.values()))
        self.left[way] += 1
        if way == GOODBYE:
            await follower.leave()
        elif way == NO_GOODBYE:
            follower.vanish()
        else:
            follower.stop_reading()
            group.create_task(self._be_silent(follower))
        if follower.lost is not None:
            self.lost.append(follower.lost)

    async def _be_silent(self, follower: Follower) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENT_S):
                await self._matches.over.wait()
        if follower.lost is not None:
            self.lost.append(follower.lost)
        follower.vanish()


async def _stay(match: Match, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await match.over.wait()


def _state(newest: dict[str | None, int]) -> dict[str | None, int]:
    """Without what has no key: who joins late is not told that."""
    return {key: due_ns for key, due_ns in newest.items() if key is not None}
