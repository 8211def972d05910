"""What players did, what became of it, and the verdicts about them: what the checker compares with each other. Pure."""

from typing import NamedTuple

UNANSWERED = "unanswered"
"""The outcome of an action whose player never learned it. Nobody knows whether it is in the log."""


class Acted(NamedTuple):
    """An action as its player knows it.

    ``value`` is `values.value_of(kind, data)`, or a number that the run has given to it; no two actions of a player
    have the same. ``code`` is empty for an ``ack``, the code of a ``nack`` that refused it, or `UNANSWERED`. A client
    may note an action when it sends it and again when it is answered: the last note about a value counts, but an
    ``ack`` counts for good. ``at_ms`` is when it was first sent, 0 if the client does not show that. ``session`` and
    ``id`` are those of the receipt; empty and 0 if the client does not show them. ``sends`` is how often it was sent, 0
    if the client does not show that.
    """

    player: str
    value: int
    code: str
    at_ms: float
    session: str = ""
    id: int = 0
    room: str = ""
    kind: str = ""
    sends: int = 0


class ActionEntry(NamedTuple):
    """An action as the log has it, or as `touchline.actions` has handed it out."""

    player: str
    session: str
    id: int
    kind: str
    value: int
    room: str = ""


class LoggedAction(NamedTuple):
    """A record of the log of actions. ``offset`` is None if it is not known."""

    action: ActionEntry
    offset: int | None = None


class Verdict(NamedTuple):
    """A verdict, and when it was in the log. ``until_ms`` is when it ends by itself."""

    player: str
    kind: str
    at_ms: float
    until_ms: float | None = None
