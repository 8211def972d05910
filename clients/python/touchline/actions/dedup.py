"""Which actions of a partition were seen already: one bit for each id of a session, in blocks of `ACTIONS_WINDOW_MAX`.

It may know ids and record times (Unix milliseconds), nothing else. Its rules:

1. An id that never came is new, however far it is below others. An honest client's ids lie close together, but a
   cheater can have its edges write anything. A reader with unbounded memory would hand all of it out, and a detector
   must not see less.
2. An id that came before is a duplicate as long as its block is remembered. The `BLOCKS_MAX` blocks that ids came from
   last are remembered, so jumps far ahead and back do no harm until they reach that many other blocks. An honest client
   sends again what waits for an answer, which spans at most one block: its duplicates are recognised even if an edge's
   append comes late, after `BLOCKS_MAX` - 1 blocks of newer ids.
3. Beyond that, a duplicate is taken for new. Its player gains nothing by it: acting once more has the same effect.
4. Only the name counts. Of two actions with one id the first is new and the second a duplicate, whatever they hold, as
   for any reader that goes by ids. To tell them apart would take a digest of each id: ten times the memory.
5. A session is remembered until records come that are ``look_back_ms`` newer than its own newest one, and forgotten at
   the latest when they are twice that newer.
6. Times of different clocks are not compared: edges may be hours apart, and one that is ahead must not end the memory
   of the others' sessions. Time passes by each clock from where it stood when that clock's first record came.
7. At most ``sessions_max`` sessions are remembered. If more act within that time, those that have not acted for longest
   are forgotten early, and counted in `Dedup.forgotten`: their duplicates would be taken for new.
"""

from typing import TypeAlias

from touchline_protocol.limits import ACTIONS_WINDOW_MAX

from .action import Action

BLOCKS_MAX = 4
"""Blocks of a session: two that an honest client's ids can be in, and twice that for what an edge wrote late."""

SESSIONS_MAX = 200_000
"""Sessions of one partition. At up to 0.9 KB each that is 180 MB: far more than a partition's players, and bearable."""

CLOCKS_MAX = 64
"""Clocks that are followed: one for each edge, and one more whenever it restarts. The one unused for longest goes."""

_Blocks: TypeAlias = tuple[tuple[int, int], ...]
"""The number of a block and a bit for each of its ids; first the block that an id came from last."""


class Dedup:
    """The memory of one partition.

    Sessions live in two generations: those that acted since the newer one began, and those that acted only before.
    When the newer one has lasted for ``look_back_ms``, it becomes the older one, and the older one is forgotten.
    """

    def __init__(self, look_back_ms: int, sessions_max: int = SESSIONS_MAX) -> None:
        self._look_back_ms = look_back_ms
        self._generation_max = max(1, sessions_max // 2)
        self._newer: dict[tuple[str, str], _Blocks] = {}
        self._older: dict[tuple[str, str], _Blocks] = {}
        self._began_ms: int | None = None
        self._at_ms: int | None = None
        self._offsets_ms: dict[tuple[str, str], int] = {}
        """How far the time of this memory is ahead of each clock; the clock that was used last comes last."""
        self.forgotten = 0
        """Sessions that were forgotten early, because there were too many."""

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def is_new(self, action: Action, at_ms: int) -> bool:
        """Whether this action was not seen before; from now on it was. ``at_ms`` is its record's time."""
        at_ms = self._now_ms((action.edge, action.clock), at_ms)
        if self._began_ms is None:
            self._began_ms = at_ms
        elif at_ms - self._began_ms >= self._look_back_ms:
            self._newer, self._older, self._began_ms = {}, self._newer, at_ms
        key = (action.player, action.session)
        blocks = self._newer.get(key)
        if blocks is None:
            blocks = self._older.pop(key, ())
            if len(self._newer) >= self._generation_max:
                self._forget_early(at_ms)
        is_new, self._newer[key] = _take(blocks, action.id)
        return is_new

    def _now_ms(self, clock: tuple[str, str], at_ms: int) -> int:
        """The time of this memory when a record with this time by ``clock`` came. It never goes back."""
        if self._at_ms is None:
            self._at_ms = at_ms
        offset_ms = self._offsets_ms.pop(clock, None)
        if offset_ms is None or at_ms + offset_ms <= self._at_ms - self._look_back_ms:
            offset_ms = self._at_ms - at_ms  # a new clock, or one without a name that was set back
            if len(self._offsets_ms) >= CLOCKS_MAX:
                del self._offsets_ms[next(iter(self._offsets_ms))]
        self._offsets_ms[clock] = offset_ms
        self._at_ms = max(self._at_ms, at_ms + offset_ms)
        return self._at_ms

    def _forget_early(self, at_ms: int) -> None:
        self.forgotten += len(self._older)
        self._newer, self._older, self._began_ms = {}, self._newer, at_ms


def _take(blocks: _Blocks, action_id: int) -> tuple[bool, _Blocks]:
    """Whether this id is new, and the blocks with it in them."""
    number, place = divmod(action_id, ACTIONS_WINDOW_MAX)
    bit = 1 << place
    for index, (known, bits) in enumerate(blocks):
        if known == number:
            return not bits & bit, ((number, bits | bit), *blocks[:index], *blocks[index + 1 :])
    return True, ((number, bit), *blocks[: BLOCKS_MAX - 1])
