"""What explains that a client was refused, or had to wait. Pure."""

from typing import Protocol

PATIENCE_MS = 15_000
"""How long an event may take to a client that waits for it: replays take time, and so does noticing a dead server."""


class Excuses(Protocol):
    """What happened in the run that explains what a client saw."""

    def explains_refusal(self, client: str, code: str, at_ms: float) -> bool:
        """Whether a room may have been refused with this code."""

    def explains_delay(self, client: str, since_ms: float, at_ms: float) -> bool:
        """Whether events may not have arrived for a while."""


class NoExcuses:
    """Nothing happened."""

    def explains_refusal(self, client: str, code: str, at_ms: float) -> bool:
        return False

    def explains_delay(self, client: str, since_ms: float, at_ms: float) -> bool:
        return False


NO_EXCUSES = NoExcuses()
