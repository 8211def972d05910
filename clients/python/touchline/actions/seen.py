"""Which actions of a partition were seen already: an anti-replay window for each session, as IPsec has it.

RFC 4303 section 3.4.3: the highest id, and one bit for each of the `IDS_REMEMBERED` ids up to it. It may know ids and
record times (Unix milliseconds), nothing else. Its rules:

1. An id is new once. An id that is `IDS_REMEMBERED` or more below the highest of its session counts as seen: nobody
   sends an action again that far back, since an edge lets no more than half as many wait for an answer.
2. An id below the highest can be new: one edge refused it, the client did not hear that, and another edge took it.
3. A session is remembered until records come that are ``look_back_ms`` newer than its own newest one, and forgotten at
   the latest when they are twice that newer.
4. No more than ``sessions_max`` sessions are remembered. Where more act within that time, those that have not acted for
   longest are forgotten early, and counted in `Seen.forgotten`: a copy of theirs would be taken for new.
"""

from typing import TypeAlias

IDS_REMEMBERED = 2048
"""Twice the most actions that any edge lets wait for an answer (its setting ``actions.unacked_max``)."""

SESSIONS_MAX = 200_000
"""Of one partition. With 0.5 KB each that is 100 MB: far more than a partition's players, still no danger."""

_ALL = (1 << IDS_REMEMBERED) - 1

_Window: TypeAlias = tuple[int, int]
"""The highest id, and a bit for each one up to it: bit n is for the highest - n."""
_NOTHING: _Window = (0, 0)


class Seen:
    """The memory of one partition.

    Sessions live in two generations: those that acted since the newer one began, and those that acted only before.
    When the newer one has lasted for ``look_back_ms``, it becomes the older one, and the older one is forgotten.
    """

    def __init__(self, look_back_ms: int, sessions_max: int = SESSIONS_MAX) -> None:
        self._look_back_ms = look_back_ms
        self._generation_max = max(1, sessions_max // 2)
        self._newer: dict[tuple[str, str], _Window] = {}
        self._older: dict[tuple[str, str], _Window] = {}
        self._began_ms: int | None = None
        self.forgotten = 0
        """Sessions that were forgotten before their time, since there were too many."""

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def is_new(self, player: str, session: str, action_id: int, at_ms: int) -> bool:
        """Whether this action was not seen before; from now on it was. ``at_ms`` is its record's time."""
        if self._began_ms is None or not 0 <= at_ms - self._began_ms < self._look_back_ms:
            self._turn(at_ms)
        key = (player, session)
        window = self._newer.get(key)
        if window is None:
            window = self._older.pop(key, _NOTHING)
            if len(self._newer) >= self._generation_max:
                self._forget_early(at_ms)
        taken = _take(window, action_id)
        self._newer[key] = taken or window
        return taken is not None

    def _turn(self, at_ms: int) -> None:
        """Begin a generation, if it is time. Records of several edges are not quite in the order of their times."""
        began_ms = self._began_ms
        if began_ms is None or at_ms <= began_ms - self._look_back_ms:
            self._began_ms = at_ms  # a clock had been far ahead: count from here, and forget nothing
        elif at_ms > began_ms:
            self._newer, self._older, self._began_ms = {}, self._newer, at_ms

    def _forget_early(self, at_ms: int) -> None:
        self.forgotten += len(self._older)
        self._newer, self._older, self._began_ms = {}, self._newer, at_ms


def _take(window: _Window, action_id: int) -> _Window | None:
    """The window with this id in it; None if it was in it, or is too far below."""
    highest, bits = window
    ahead = action_id - highest
    if ahead > 0:
        return action_id, ((bits << ahead) & _ALL) | 1 if ahead < IDS_REMEMBERED else 1
    bit = 1 << -ahead if -ahead < IDS_REMEMBERED else 0
    return (highest, bits | bit) if bit and not bits & bit else None
