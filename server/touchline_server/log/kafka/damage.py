"""Damaged records of one partition: how long they are waited for, and how much is given up in the end.

Their checksum is wrong, so a disk may be repaired, or another replica take over. A record that is intact and makes no
sense to anybody is something else: `touchline_kafka.salvage` leaves it out at once, and nothing besides it.
"""

import time

WAIT_S = 1.0
"""Before damaged records are fetched again."""
GIVE_UP_S = 60.0
"""How long they may take to be repaired. Another replica takes over within seconds, if there is one. After a minute it
is not going to happen by itself, and what follows must not wait any longer."""


class Damage:
    """The state of one partition: whether the records that come next are damaged."""

    __slots__ = ("_end", "_since_s", "_step", "is_given_up")

    def __init__(self) -> None:
        self.is_given_up = False
        """Whether the records were still damaged after they had been waited for long enough."""
        self._since_s: float | None = None
        self._end: int | None = None
        self._step = 1

    def seen(self, end: int | None) -> None:
        """The next records are damaged, up to ``end`` as far as can be told."""
        now_s = time.monotonic()
        if self._since_s is None:
            self._since_s = now_s
        self.is_given_up = now_s - self._since_s >= GIVE_UP_S
        self._end = end

    def over(self) -> None:
        """The next records are as they should be."""
        self._since_s = None
        self._step = 1
        self.is_given_up = False

    def skip(self, position: int, log_end: int) -> int:
        """Give up the records at ``position``; returns where to go on, at ``log_end`` at most.

        Damage that follows at once is not waited for again. If nobody can tell where it ends, ever more is given up.
        """
        self.is_given_up = False
        if self._end is None:
            self._end, self._step = position + self._step, self._step * 2
        return max(position, min(self._end, log_end))
