"""The topic of players' actions: appends take time, and may fail, or fail half way without anybody learning how far."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from touchline_protocol.actions import decode_action

from .log import Log
from .world import MS_US, SECOND_US, World

APPEND_TIMEOUT_US = 2 * SECOND_US
"""How long an append is tried while the log is away."""


class ActionEntry(NamedTuple):
    """An action in the log. ``n`` is its data, which is unlike that of all others."""

    player: str
    session: str
    id: int
    n: int


class ActionLog:
    """What the log holds, in order, and where it goes wrong: in a share ``fails`` of the appends.

    ``tamper`` changes what is written, for tests of the checks.
    """

    def __init__(self, world: World, log: Log) -> None:
        self.entries: list[ActionEntry] = []
        self._by_n: dict[int, list[ActionEntry]] = {}
        self.fails = 0.05
        self.tamper: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None
        self._world = world
        self._log = log

    def of(self, n: int) -> list[ActionEntry]:
        """The entries of one action: several if it was appended more than once."""
        return self._by_n.get(n, [])

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
            entry = ActionEntry(record.player, record.session, record.id, n)
            self.entries.append(entry)
            self._by_n.setdefault(n, []).append(entry)
