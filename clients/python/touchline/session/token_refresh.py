"""When to replace a token, so that the connection outlives it.

The server reports when a token ends by its own clock, and reports that clock too: the client's may be wrong by hours.

Rules:

1. A newer token is due when a fifth of the token's time is left, and at least `LEAD_S` before its end (for a very short
   life, half of it).
2. Whatever comes of a request (no token, a refused one, one with the same end, no answer), the same rule applies to the
   time that is left, but at most once every `INTERVAL_S_MIN`. After the end nothing is due: the server closes, and
   every new connection starts with a new token.
3. No event loop, no clock: times are passed in, in seconds on any clock that never goes back.
"""

from touchline_protocol.messages import Welcome

LEFT_SHARE = 0.2
"""The share of a token's time that is left when a newer one becomes due: enough for a few more attempts."""

LEAD_S = 5.0
"""A newer token is due at least this long before the end, however short the life: it takes a request or two to get."""

INTERVAL_S_MIN = 1.0
"""Between two requests, so that a provider whose tokens never get newer is not called in a loop."""


class TokenRefresh:
    """One token's time. ``can_renew``: the client can get a newer one. ``due``: it should do so now."""

    __slots__ = ("_clock_difference_s", "_due_at", "_expires_s", "can_renew", "due", "request_id")

    def __init__(self, *, can_renew: bool) -> None:
        self.can_renew = can_renew
        self.due = False
        self.request_id: int | None = None
        self._clock_difference_s = 0.0
        self._expires_s: float | None = None
        self._due_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When to call `tick`; None if there is nothing to wait for."""
        return self._due_at

    def begin(self, welcome: Welcome, now_s: float) -> None:
        """A connection begins, with or without a token."""
        self._clock_difference_s = now_s - welcome.time / 1000
        self.extend(welcome.expires, now_s)

    def extend(self, expires_ms: int | None, now_s: float) -> None:
        """A token is in force. It ends at ``expires_ms`` by the server's clock (Unix milliseconds); None is never."""
        self._expires_s = None if expires_ms is None else expires_ms / 1000 + self._clock_difference_s
        self._plan(now_s)

    def requested(self, now_s: float, request_id: int | None) -> None:
        """The client sent a newer token under ``request_id``; None if it could not get one."""
        self.request_id = request_id
        self._plan(now_s)

    def end(self) -> None:
        """The connection is gone."""
        self._expires_s = self._due_at = self.request_id = None
        self.due = False

    def tick(self, now_s: float) -> None:
        """See whether a newer token is due."""
        if self._due_at is not None and now_s >= self._due_at:
            self._due_at = None
            self.due = True

    def _plan(self, now_s: float) -> None:
        self.due = False
        self._due_at = None
        if self._expires_s is None or not self.can_renew:
            return
        left_s = self._expires_s - now_s
        lead_s = max(left_s * LEFT_SHARE, min(LEAD_S, left_s / 2))
        due_at = now_s + max(INTERVAL_S_MIN, left_s - lead_s)
        if due_at < self._expires_s:
            self._due_at = due_at
