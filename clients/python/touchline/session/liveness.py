"""When a connection counts as dead: the server has been silent for too long.

Pure: times are passed in, in seconds on any clock that never goes back.
"""

HEARTBEATS_MISSED_MAX = 2
"""A silence of this many heartbeats means that the connection is dead. One may be late because of the network."""

WELCOME_S_MAX = 10.0
"""How long the welcome may take once the WebSocket is open. A server answers at once; a dead link never does."""


class Liveness:
    """When the server was last heard. ``silence_s(now)`` is measured from there."""

    __slots__ = ("_heard_at", "_paused")

    def __init__(self) -> None:
        self._heard_at = 0.0
        self._paused = False

    def begin(self, now_s: float) -> None:
        """A connection was opened."""
        self._heard_at = now_s
        self._paused = False

    def hear(self, now_s: float) -> None:
        """A message arrived."""
        self._heard_at = now_s

    def pause(self) -> None:
        """Nobody reads from the socket, so silence means nothing."""
        self._paused = True

    def resume(self, now_s: float) -> None:
        """The socket is read again."""
        self._paused = False
        self._heard_at = now_s

    def silence_s(self, now_s: float) -> float:
        """How long the server has been silent."""
        return now_s - self._heard_at

    def welcome_deadline(self) -> float:
        """When the welcome is overdue."""
        return self._heard_at + WELCOME_S_MAX

    def deadline(self, heartbeat_ms: int) -> float | None:
        """When the connection counts as dead; None if silence means nothing, as without heartbeats (0)."""
        if self._paused or heartbeat_ms <= 0:
            return None
        return self._heard_at + HEARTBEATS_MISSED_MAX * heartbeat_ms / 1000
