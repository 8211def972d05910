"""The promises that users check while they run, and where observations go. Pure.

Most kinds are the checker's (`touchline_loadtest.checks.breach.KINDS`). A kind says which promise was broken, never
where: ten thousand gaps are one row of Locust's table. Client, room and offset go to the log and into the run folder.
"""

from collections.abc import Mapping
from typing import Protocol

from touchline_loadtest.checks.breach import KINDS, Breach
from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.trace import TraceSink
from touchline_protocol.messages import Deliver

NEVER_JOINED = "never_joined"
NO_ACK = "no_ack"
NO_WELCOME = "no_welcome"
PHANTOM_ACK = "phantom_ack"
STALLED = "stalled"
UNEXPECTED_VERDICT = "unexpected_verdict"
UNEXPLAINED_CLOSE = "unexplained_close"
BEFORE_JOINED = "before_joined"
WRONG_JOIN = "wrong_join"
WRONG_STATE = "wrong_state"

TEXTS: Mapping[str, str] = {
    **KINDS,
    NO_ACK: "The server answered no action for too long.",
    NO_WELCOME: "The server did not answer hello.",
    PHANTOM_ACK: "The server acknowledged an action that was not pending.",
    UNEXPECTED_VERDICT: "An honest player was warned, muted or banned.",
}
"""What each kind means."""


class Measures(Protocol):
    """Where a client's observations go."""

    def duration(self, name: str, ms: float) -> None:
        """Something took ``ms``."""

    def event(self, name: str, ms: float, size_bytes: int) -> None:
        """An event arrived, ``ms`` after it was published."""

    def connections(self, change: int) -> None:
        """A connection was opened (1) or has ended (-1)."""

    def failure(self, name: str, ms: float, text: str) -> None:
        """Something failed after ``ms``; ``text`` groups equal failures."""

    def breach(self, breach: Breach, cause: str = "") -> None:
        """A promise was broken. ``cause``, such as a close code, groups further than the kind does."""


class Recorder(Protocol):
    """Records what a client saw, for the checker."""

    def trace(self, room: str, deliver: Deliver) -> TraceSink:
        """Where the items of a room go."""

    def opened(self, opening: Opening) -> None:
        """A connection has begun."""

    def closed(self, close: Close) -> None:
        """A connection has ended, or could not be made."""

    def cause(self, cause: Cause) -> None:
        """Something happened that may end connections."""
