"""The time that a token has: when to ask for a newer one, so that the connection outlives it.

A token's end is told by the server's clock, which is told with it; the client's own clock may be wrong by hours.

Rules:

1. Asked for when a fifth of the time is left, and at least `LEAD_S` before the end (of a very short life, half of it).
2. Whatever comes of it (no token, one that is refused, one with the same end, no answer), the same counts for what is
   left then, but not twice within `PAUSE_S`. After the end nothing is asked for: the server closes, and each new
   connection begins with a new token.
3. No loop, no clock: times are handed in, seconds on any clock that never goes back.
"""

from touchline_protocol.messages import Welcome

LEFT_SHARE = 0.2
"""Of a token's time, what is left when a newer one is asked for: time for some more tries."""

LEAD_S = 5.0
"""At least so long before the end, however short the life: asking takes the time of a request or two."""

PAUSE_S = 1.0
"""Between two tries. So a provider whose tokens never get newer is not called all the time."""


class TokenRefresh:
    """A token's time. ``can_renew``: there is somebody to ask for a newer one. ``due``: now is the time to ask."""

    __slots__ = ("_clocks_apart_s", "_due_at", "_expires_s", "can_renew", "due", "request_id")

    def __init__(self, *, can_renew: bool) -> None:
        self.can_renew = can_renew
        self.due = False
        self.request_id: int | None = None
        self._clocks_apart_s = 0.0
        self._expires_s: float | None = None
        self._due_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When to call `tick`, None where there is nothing to wait for."""
        return self._due_at

    def begin(self, welcome: Welcome, now_s: float) -> None:
        """A connection begins, with a token or without."""
        self._clocks_apart_s = now_s - welcome.time / 1000
        self.extend(welcome.expires, now_s)

    def extend(self, expires_ms: int | None, now_s: float) -> None:
        """The token that counts from now on ends then, by the server's clock in Unix milliseconds."""
        self._expires_s = None if expires_ms is None else expires_ms / 1000 + self._clocks_apart_s
        self._plan(now_s)

    def asked(self, now_s: float, request_id: int | None) -> None:
        """The newer token went out under ``request_id``; None where there was none to be had."""
        self.request_id = request_id
        self._plan(now_s)

    def end(self) -> None:
        """The connection is no more."""
        self._expires_s = self._due_at = self.request_id = None
        self.due = False

    def tick(self, now_s: float) -> None:
        """See whether it is time to ask."""
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
        due_at = now_s + max(PAUSE_S, left_s - lead_s)
        if due_at < self._expires_s:
            self._due_at = due_at
