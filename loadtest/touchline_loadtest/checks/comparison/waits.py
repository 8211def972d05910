"""How long one client has waited, in one room, for an answer and for events. Pure.

All times are Unix milliseconds; 0 stands for a time that nobody knows.
"""

from touchline_loadtest.checks.trace import Asked

from .excuses import Excuses

LONG_MS = 60_000
"""How long a client may wait in all, however often it has asked or come back meanwhile. Also how long one may wait that
never said that it left: it may have read late what had arrived."""

DELETED_MS = 5_000
"""How long events may take that the log had deleted before the client came back: the edge that honoured its cursor must
have had them in memory."""


class Waits:
    """``prompt``: the client reads what arrives at once. ``has_begun``: it asked for the room, or was in it."""

    def __init__(self, client: str, excuses: Excuses) -> None:
        self.prompt = True
        self.has_begun = False
        self.joined_ms = 0.0
        self._client = client
        self._excuses = excuses
        self._is_waiting = False
        self._asked_ms = self._first_asked_ms = 0.0
        self._earlier: list[tuple[float, float]] = []  # when it was in the room before, since the last event

    def ask(self, asked: Asked) -> None:
        """The client asks to join."""
        if not self._is_waiting or self._connected_until(self._asked_ms) <= asked.at_ms:
            self._first_asked_ms = asked.at_ms
        self.leave(asked.at_ms)
        self.prompt = asked.prompt
        self.has_begun = self._is_waiting = True
        self._asked_ms = asked.at_ms

    def answer(self) -> None:
        """The client was refused."""
        self._is_waiting = False

    def join(self, at_ms: float) -> None:
        """The client is in the room from now on."""
        self.leave(at_ms)
        self.has_begun = True
        self.joined_ms = at_ms

    def leave(self, at_ms: float) -> None:
        """The client is not in the room any more, nor waits for an answer."""
        if self.joined_ms:
            self._earlier.append((self.joined_ms, min(at_ms, self._connected_until(self.joined_ms))))
        self.joined_ms = 0.0
        self._is_waiting = False

    def advance(self) -> None:
        """An event arrived, or the client started over: it has not waited in vain."""
        self._earlier.clear()

    @property
    def is_waiting(self) -> bool:
        """Whether the client still waits for an answer."""
        return self._is_waiting

    def is_unanswered(self, at_ms: float, patience_ms: float) -> bool:
        """Whether the client has waited for too long for an answer."""
        if not self._is_waiting or not self._asked_ms:
            return False
        until_ms = min(at_ms, self._connected_until(self._asked_ms))
        if until_ms - self._asked_ms < patience_ms and until_ms - self._first_asked_ms < LONG_MS:
            return False
        return not self._excuses.explains_delay(self._client, self._first_asked_ms, until_ms)

    def is_overdue(self, since_ms: float, at_ms: float, patience_ms: float) -> bool:
        """Whether the client has waited for too long for what there was from ``since_ms`` on."""
        if not self.joined_ms:
            return False
        until_ms = min(at_ms, self._connected_until(self.joined_ms))
        waited_ms = until_ms - max(self.joined_ms, since_ms)
        all_ms = waited_ms + sum(max(0.0, end - max(begin, since_ms)) for begin, end in self._earlier)
        if waited_ms < patience_ms and all_ms < LONG_MS:
            return False
        return not self._excuses.explains_delay(self._client, since_ms, until_ms)

    def last_connected_ms(self, ended_ms: float) -> float:
        """Until when a client was connected that never said that it left, in a run that went on to ``ended_ms``."""
        since_ms = self._asked_ms if self._is_waiting else self.joined_ms
        return min(ended_ms, self._connected_until(since_ms)) if since_ms else 0.0

    def _connected_until(self, since_ms: float) -> float:
        return self._excuses.connected_until(self._client, since_ms)
