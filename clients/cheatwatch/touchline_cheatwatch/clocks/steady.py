"""The service's two clocks: one that nobody can set, and the computer's."""

import time
from collections.abc import Callable

from touchline_cheatwatch.types import Now


class SteadyClock:
    """Begins at the time of day, and then passes evenly, whatever the computer's clock is set to meanwhile."""

    def __init__(
        self, monotonic_s: Callable[[], float] = time.monotonic, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._monotonic_s = monotonic_s
        self._wall_s = wall_s
        self._began_s = wall_s() - monotonic_s()
        self._ahead_ms = 0

    def now(self) -> Now:
        """The time by both clocks."""
        return Now(self.steady_ms(self._monotonic_s()), round(self._wall_s() * 1000))

    def steady_ms(self, monotonic_s: float) -> int:
        """A time of `time.monotonic`, by the steady clock."""
        return round((self._began_s + monotonic_s) * 1000)

    def set_by_ms(self, step_ms: int) -> int:
        """How far the computer's clock was set since the last call; 0 if less than ``step_ms``."""
        now = self.now()
        by_ms = now.unix_ms - now.steady_ms - self._ahead_ms
        if abs(by_ms) < step_ms:
            return 0
        self._ahead_ms += by_ms
        return by_ms
