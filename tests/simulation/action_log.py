"""The topic of players' actions: appends take time, and may fail, or fail half way without anybody learning how far."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from touchline_loadtest.checks.actions import ActionEntry, LoggedAction
from touchline_protocol.actions import decode_action

from .log import Log
from .world import MS_US, SECOND_US, World

APPEND_TIMEOUT_US = 2 * SECOND_US
"""How long an append is tried while the log is away."""


class ActionLog:
    """What the log holds, in order, and where it goes wrong: in a share ``fails`` of the appends.

    The data of each action is a number that no other has.

    ``tamper`` changes what is written, for tests of the checks.
    """

    def __init__(self, world: World, log: Log) -> None:
        self.actions: list[LoggedAction] = []
        self._written: set[int] = set()
        self.fails = 0.05
        self.tamper: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None
        self._world = world
        self._log = log

    def has(self, n: int) -> bool:
        """Whether the action with this data is there."""
        return n in self._written

    def append(
        self,
        values: Sequence[bytes],
        later: Callable[..., None],
        done: Callable[[int, Any], None],
        batch: object,
    ) -> None:
        """Append, and report through ``later`` how many are known to be there. An edge that is gone hears nothing."""
        if self._log.away:
            later(APPEND_TIMEOUT_US, done, 0, batch)
            return
        written = known = len(values)
        delay_us = self._world.between(2 * MS_US, 15 * MS_US)
        if self._world.chance(self.fails):
            known = self._world.random.randint(0, len(values) - 1)
            written = self._world.random.randint(known, len(values))
            delay_us = APPEND_TIMEOUT_US
        self._world.after(self._world.between(MS_US, 2 * MS_US), self._write, values[:written])
        later(delay_us, done, known, batch)

    def _write(self, values: Sequence[bytes]) -> None:
        for value in values if self.tamper is None else self.tamper(values):
            record = decode_action(value)
            n = msgspec.json.decode(bytes(record.data), type=int)
            action = ActionEntry(record.player, record.session, record.id, record.kind, n, record.room)
            self.actions.append(LoggedAction(action, len(self.actions)))
            self._written.add(n)
