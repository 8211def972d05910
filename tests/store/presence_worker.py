"""A worker's side of presence for tests: it reports what has changed, keeps what it is told, and has a faulty Redis."""

from collections.abc import Awaitable
from enum import Enum, auto
from typing import Any, TypeVar

import redis.asyncio as redis

from touchline_protocol.errors import StoreUnavailable
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.core.presence.port import Answer, InRoom, MemberChanges, Report, TooMany
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.presence import RedisPresenceStore
from touchline_server.store.redis.workers import Workers

T = TypeVar("T")


class Fault(Enum):
    """What happens to a call to Redis."""

    QUESTION_LOST = auto()
    ANSWER_LOST = auto()
    CUT_SHORT = auto()
    """Some commands of a pipeline arrive, and the answers of none."""
    LATE = auto()
    """It is given up, and arrives later."""


class FaultyConnection(RedisConnection):
    """A connection on which one call fails: the one after ``fault_after`` others."""

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__(settings)
        self.fault: Fault | None = None
        self.fault_after = 0
        self.late: list[Awaitable[Any]] = []

    async def call(self, command: Awaitable[T]) -> T:
        self.fault_after -= 1
        if self.fault is None or self.fault_after >= 0:
            return await super().call(command)
        fault, self.fault = self.fault, None
        if fault is Fault.LATE:
            self.late.append(command)
        elif fault is Fault.QUESTION_LOST:
            command.close()  # type: ignore[attr-defined]
        else:
            self._is_cut_short = fault is Fault.CUT_SHORT
            await super().call(command)
            self._is_cut_short = False
        raise StoreUnavailable(fault.name)

    def pipeline(self) -> redis.client.Pipeline:
        pipeline = super().pipeline()
        if self._is_cut_short:
            execute = pipeline.execute

            async def execute_some(raise_on_error: bool = True) -> list[Any]:
                commands = len(pipeline.command_stack)
                pipeline.command_stack = pipeline.command_stack[: commands // 2]
                answers = await execute(raise_on_error=raise_on_error)
                return answers + [b""] * (commands - len(answers))

            pipeline.execute = execute_some  # type: ignore[method-assign]
        return pipeline

    _is_cut_short = False

    async def deliver_late(self) -> None:
        """What was given up arrives after all."""
        late, self.late = self.late, []
        for command in late:
            await command

    async def close(self) -> None:
        for command in self.late:
            command.close()  # type: ignore[attr-defined]
        await super().close()


class Worker:
    """A worker with what is true of it (``viewers``, ``players``), and what it believes of the fleet."""

    def __init__(self, name: str, connection: FaultyConnection, settings: PresenceSettings) -> None:
        self.name = name
        self.connection = connection
        self.viewers: dict[str, int] = {}
        self.players: dict[InRoom, int] = {}
        self.watched: frozenset[str] = frozenset()
        self.listed: frozenset[str] = frozenset()
        self.totals: dict[str, int] = {}
        self.members: dict[str, frozenset[str] | TooMany] = {}
        self._store = RedisPresenceStore(connection, Workers(connection, name), settings)
        self._reported: Report | None = None
        self.names_all = False
        """Whether reports also name what has not changed."""

    async def exchange(self) -> bool:
        """Report what has changed, or everything after a failure. Returns whether it was answered."""
        report = self._report()
        try:
            answer = await self._store.exchange(report)
        except StoreUnavailable:
            self._reported = None
            return False
        self._reported = Report(True, dict(self.viewers), dict(self.players), self.watched, self.listed)
        self._take(answer, is_whole=report.is_whole)
        return True

    def _report(self) -> Report:
        before = self._reported
        if before is None:
            return Report(True, dict(self.viewers), dict(self.players), self.watched, self.listed)
        viewers = {room: self.viewers.get(room, 0) for room in self.viewers.keys() | before.viewers.keys()}
        players = {at: self.players.get(at, 0) for at in self.players.keys() | before.players.keys()}
        return Report(
            False,
            {room: count for room, count in viewers.items() if self.names_all or before.viewers.get(room, 0) != count},
            {at: count for at, count in players.items() if self.names_all or before.players.get(at, 0) != count},
            self.watched,
            self.listed,
        )

    def _take(self, answer: Answer, *, is_whole: bool) -> None:
        if is_whole:
            assert answer.viewers.keys() == self.watched
            assert answer.members.keys() == self.listed
            self.totals, self.members = {}, {}
        self.totals = {room: n for room, n in {**self.totals, **answer.viewers}.items() if room in self.watched}
        for room, said in answer.members.items():
            if isinstance(said, MemberChanges):
                known = self.members[room]
                assert isinstance(known, frozenset), "changes only follow a full list"
                assert not said.joined & known
                assert said.left <= known
                assert said.joined | said.left
                self.members[room] = known - said.left | said.joined
            else:
                assert self.members.get(room) != said, "nothing is said twice"
                self.members[room] = said
        self.members = {room: members for room, members in self.members.items() if room in self.listed}
