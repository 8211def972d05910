"""What a user found wrong while it ran, and the names that Locust groups failures by. Pure.

A name says which promise was broken, and never where: ten thousand gaps are one row. Client, room and offset go to the
log and into the run folder.
"""

from typing import NamedTuple, Protocol

GAP = "gap"
"""An event's predecessor did not arrive."""
DUPLICATE = "duplicate"
"""An event arrived a second time, or although the client had said that it has it."""
REORDER = "reorder"
"""An event arrived after a later one."""
WRONG_PREV = "wrong prev"
"""An event names a predecessor that is older than the one that arrived before it."""
WRONG_SKIP = "wrong skip"
"""The server left out events of a client that asked for all."""
STRAY_EVENT = "stray event"
"""An event of a room that the client was not in."""
WRONG_STATE = "wrong state"
"""The state at a join is not what the events up to it add up to."""
WRONG_JOIN = "wrong join"
"""The answer to a subscribe contradicts what was asked for, or itself."""
PHANTOM_ACK = "phantom ack"
"""An acknowledgement of an action that was not pending."""
UNEXPLAINED_CLOSE = "unexplained close"
"""The connection ended, and nothing that the user did or was told explains why."""
UNEXPECTED_VERDICT = "unexpected verdict"
"""An honest player was warned, muted or banned."""
REFUSED_ROOM = "refused room"
"""The server refused a room for good."""

CHECKS = (
    GAP,
    DUPLICATE,
    REORDER,
    WRONG_PREV,
    WRONG_SKIP,
    STRAY_EVENT,
    WRONG_STATE,
    WRONG_JOIN,
    PHANTOM_ACK,
    UNEXPLAINED_CLOSE,
    UNEXPECTED_VERDICT,
    REFUSED_ROOM,
)
"""All kinds of findings."""


class Finding(NamedTuple):
    """One broken promise. ``kind`` is one of `CHECKS`; ``text`` says what happened, alike for equal causes."""

    kind: str
    text: str
    room: str = ""
    offset: int | None = None


class Measures(Protocol):
    """Where a client's observations go."""

    def duration(self, name: str, ms: float) -> None:
        """Something took ``ms``."""

    def event(self, name: str, ms: float, size_bytes: int) -> None:
        """An event arrived, ``ms`` after it was published."""

    def failure(self, name: str, ms: float, text: str) -> None:
        """Something failed after ``ms``; ``text`` groups equal failures."""

    def finding(self, client: str, finding: Finding) -> None:
        """A promise was broken."""
