"""What one client may do, and how often: for what costs everybody there is a token bucket for each kind of request."""

from typing import Any, NamedTuple

from touchline_protocol.messages import Limits
from touchline_server.core.clocks import LoopMs
from touchline_server.core.players.action_queue import ActionQueue
from touchline_server.core.rate import Rate


class RateLimits(NamedTuple):
    """The rates of each client; `touchline_server.config.tables` has the reasons.

    ``subscribes``: rooms asked for; to leave them needs no rate of its own. ``refreshes``: tokens presented after the
    first. ``pings``: control frames, which pongs are too. ``refusals``: answers to what was refused, and actions that
    were repeated while they wait for theirs. ``messages``, ``payload_bytes``: messages of any kind, and their
    bytes after decompression.
    """

    subscribes: Rate
    refreshes: Rate
    pings: Rate
    refusals: Rate
    messages: Rate
    payload_bytes: Rate


class ClientLimits(NamedTuple):
    """What an edge allows a client and says of itself; `touchline_server.config.settings` has the reasons."""

    edge: str
    heartbeat_ms: int
    message_bytes_max: int
    rooms_max: int
    replay_records_max: int
    rates: RateLimits

    def advertised(self, acting: ActionQueue[Any] | None) -> Limits:
        """The limits in a welcome. ``acting`` is None where nobody can act."""
        return Limits(
            message_bytes_max=self.message_bytes_max,
            rooms_max=self.rooms_max,
            action_bytes_max=acting.limits.data_bytes_max if acting else 0,
            actions_window=acting.limits.actions_window if acting else 0,
            actions_burst=acting.limiter.burst if acting else 0,
            action_interval_ms=acting.limiter.interval_ms if acting else 0,
        )


class ClientRates:
    """The buckets of one client. Each method returns 0, or in how many milliseconds there is enough in the bucket."""

    __slots__ = (
        "_bytes_full_ms",
        "_messages_full_ms",
        "_pings_full_ms",
        "_refreshes_full_ms",
        "_refusals_full_ms",
        "_subscribes_full_ms",
        "limits",
    )

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._subscribes_full_ms = 0.0
        self._refreshes_full_ms = 0.0
        self._pings_full_ms = 0.0
        self._refusals_full_ms = 0.0
        self._messages_full_ms = 0.0
        self._bytes_full_ms = 0.0

    def take_message(self, now_ms: LoopMs) -> int:
        """Take a message of any kind."""
        self._messages_full_ms, wait_ms = self.limits.messages.take(self._messages_full_ms, 1, now_ms)
        return wait_ms

    def take_bytes(self, size_bytes: int, now_ms: LoopMs) -> int:
        """Take a message of ``size_bytes``."""
        self._bytes_full_ms, wait_ms = self.limits.payload_bytes.take(self._bytes_full_ms, size_bytes, now_ms)
        return wait_ms

    def take_subscribes(self, rooms: int, now_ms: LoopMs) -> int:
        """Ask for ``rooms`` rooms: all of them, or none."""
        self._subscribes_full_ms, wait_ms = self.limits.subscribes.take(self._subscribes_full_ms, rooms, now_ms)
        return wait_ms

    def take_refresh(self, now_ms: LoopMs) -> int:
        """Check a newer token."""
        self._refreshes_full_ms, wait_ms = self.limits.refreshes.take(self._refreshes_full_ms, 1, now_ms)
        return wait_ms

    def take_ping(self, now_ms: LoopMs) -> int:
        """Take a control frame."""
        self._pings_full_ms, wait_ms = self.limits.pings.take(self._pings_full_ms, 1, now_ms)
        return wait_ms

    def take_refusals(self, count: int, now_ms: LoopMs) -> int:
        """Answer a message with ``count`` refusals."""
        self._refusals_full_ms, wait_ms = self.limits.refusals.take(self._refusals_full_ms, count, now_ms)
        return wait_ms
