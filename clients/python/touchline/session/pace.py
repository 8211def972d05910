"""The pace of a player's actions: some at once, then one per interval, so that the server has to refuse none.

It counts like the server's token bucket, as the generic cell rate algorithm does (ITU-T I.371): with a single time. One
action less than the server takes is sent at once: an action that comes faster through the network than the first one
did is then not too early. A server that announces no interval gets actions as fast as they come.
"""

from touchline_protocol.messages import Limits


class Pace:
    """When the next action may be sent. Times are in seconds, on the clock of the session."""

    def __init__(self) -> None:
        self._interval_s = 0.0
        self._ahead_s = 0.0  # how far the actions that were sent may be ahead of an even pace
        self._even_s = float("-inf")  # when the next action would be due at an even pace

    def begin(self, limits: Limits) -> None:
        """A connection begins: its server takes a whole burst, as far as is known."""
        self._interval_s = max(limits.action_interval_ms, 0) / 1000
        self._ahead_s = self._interval_s * max(limits.actions_burst - 2, 0)
        self._even_s = float("-inf")

    @property
    def next_s(self) -> float:
        """When the next action may be sent; it may be in the past."""
        return self._even_s - self._ahead_s

    def take(self, now_s: float) -> bool:
        """Send an action now, if that is not too early; returns whether it may be sent."""
        if not self._interval_s:
            return True
        if now_s < self.next_s:
            return False
        self._even_s = max(self._even_s, now_s) + self._interval_s
        return True

    def hold(self, until_s: float) -> None:
        """The server says that it was too early: the next action is sent at that time, others one interval apart."""
        self._even_s = until_s + self._ahead_s
