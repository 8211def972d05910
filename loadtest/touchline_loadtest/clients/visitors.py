"""Visitors of matches: they come, stay for a while and leave in one of several ways; some come back with a cursor.

Rule: a client that is in a room when its match ends, or returns to it later, must have the room's complete state.
"""

import asyncio
import contextlib
import time
from random import Random

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.publish.matches import Match, MatchSchedule
from touchline_protocol.messages import RoomRequest

from .errors import ClientsFailed
from .follower import Follower, follow

STAY_SHARES = (0.05, 1.0)
AWAY_SHARES = (0.0, 0.4)
"""Shares of a match's typical length. Away for up to 8 s of 20, so some return after their cursor has left the
compressed window of 4.2 s."""
COMES_BACK_SHARE = 0.6
CLOSE_FRAME, ABORT, SILENCE = "close frame", "abort", "silence"
EXIT_WEIGHTS = {CLOSE_FRAME: 5, ABORT: 4, SILENCE: 1}
"""How visitors leave, and how often each way is chosen: with a close frame, by dropping the connection, or by not
reading any more."""
SILENCE_S = 30.0
"""A silent connection is cut after this, as the kernel would do eventually. The server waits longer (60 s)."""
END_TIMEOUT_S = 15.0
POLL_S = 0.05


class Visitors:
    """Some hundreds of visitors, and their findings added up."""

    def __init__(self, port: int, schedule: MatchSchedule, chance: Random) -> None:
        self.joins = 0
        self.exits = dict.fromkeys(EXIT_WEIGHTS, 0)
        self.lost: list[str] = []
        self.lacking = 0
        self.checks: list[RoomCheck] = []
        self._port = port
        self._schedule = schedule
        self._chance = chance

    async def come_and_go(self, count: int) -> None:
        """Keep ``count`` visitors connected until the last match is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._visit_repeatedly(group))

    async def _visit_repeatedly(self, group: asyncio.TaskGroup) -> None:
        while not self._schedule.over.is_set():
            if self._schedule.current:
                await self._visit(group, self._chance.choice(self._schedule.current))
            else:
                await asyncio.sleep(POLL_S)

    async def _visit(self, group: asyncio.TaskGroup, match: Match) -> None:
        check = RoomCheck(RoomRequest(room=match.room, deliver=self._chance.choice(("all", "latest"))))
        self.checks.append(check)
        comes_back = True
        while comes_back:
            try:
                follower = await follow(self._port, check)
            except ClientsFailed as error:
                self.lost.append(str(error))
                return
            self.joins += 1
            await _stay(match, self._share_of_match_s(STAY_SHARES))
            comes_back = not match.over.is_set() and self._chance.random() < COMES_BACK_SHARE
            if match.over.is_set():
                self.lacking += not await self._saw_the_end(check, match)
            await self._leave(group, follower)
            if comes_back:
                await asyncio.sleep(self._share_of_match_s(AWAY_SHARES))

    def _share_of_match_s(self, shares: tuple[float, float]) -> float:
        return self._schedule.match_s * self._chance.uniform(*shares)

    async def _saw_the_end(self, check: RoomCheck, match: Match) -> bool:
        """Wait until the client's state equals the published one, which includes the event that ends the match."""
        state = _state(self._schedule.publisher.newest[match.room])
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while check.live.state != state:
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def _leave(self, group: asyncio.TaskGroup, follower: Follower) -> None:
        (way,) = self._chance.choices(list(EXIT_WEIGHTS), list(EXIT_WEIGHTS.values()))
        self.exits[way] += 1
        if way == CLOSE_FRAME:
            await follower.leave()
        elif way == ABORT:
            follower.vanish()
        else:
            follower.stop_reading()
            group.create_task(self._cut_later(follower))
        if follower.lost is not None:
            self.lost.append(follower.lost)

    async def _cut_later(self, follower: Follower) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                await self._schedule.over.wait()
        if follower.lost is not None:
            self.lost.append(follower.lost)
        follower.vanish()


async def _stay(match: Match, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await match.over.wait()


def _state(newest: dict[str | None, int]) -> dict[str, int]:
    """Drop the events without a key: a client that joins late does not receive those."""
    return {key: due_ns for key, due_ns in newest.items() if key is not None}
