"""The time that an edge stamps actions with: the time of day, by a clock that is never set.

Detectors subtract the times of a player's actions, so a computer's clock that is set back or forward would make honest
players look superhuman, and hide cheaters. Rules:

1. Times by the clock of one name never go back, and pass as fast as real time, give or take `SLEW`.
2. The clock follows the computer's, so that stamps are the time of day: slowly if the two are less than `STEP_MS`
   apart. Otherwise the computer's clock was set, and a clock with another name begins at the new time.
3. No two clocks have the same name, in any process.
"""

from touchline_server.core.clocks import LoopMs, Now, UnixMs

STEP_MS = 1_000
"""A clock that is disciplined over the network is set at once only if it is off by more than 128 ms (ntpd) or a second
(chrony at its start, systemd-timesyncd by 400 ms)."""

SLEW = 0.001
"""The share of time by which the clock runs fast or slow to follow the computer's. Detectors of regular intervals look
for deviations of 0.4 %."""


class ActionClock:
    """The clock of one edge. ``prefix`` is a name that no other process uses."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._steps = 0
        self._loop_ms: LoopMs | None = None
        self._ms = 0.0
        self.name = prefix

    def read(self, now: Now) -> UnixMs:
        """The time by the clock called `name`, which may be another one after this."""
        if self._loop_ms is None:
            self._ms = float(now.unix_ms)
        else:
            passed_ms = now.loop_ms - self._loop_ms
            self._ms += passed_ms
            behind_ms = now.unix_ms - self._ms
            if abs(behind_ms) >= STEP_MS:
                self._steps += 1
                self.name = f"{self._prefix}.{self._steps}"
                self._ms = float(now.unix_ms)
            else:
                self._ms += max(-SLEW * passed_ms, min(SLEW * passed_ms, behind_ms))
        self._loop_ms = now.loop_ms
        return UnixMs(int(self._ms))
