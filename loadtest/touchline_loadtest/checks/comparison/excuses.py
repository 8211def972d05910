"""What explains that a client was refused, or had to wait, and when its connections ended. Pure."""

from typing import Protocol

PATIENCE_MS = 15_000
"""How long an event may take to a client that waits for it: replays take time, and so does noticing a dead server."""


class Excuses(Protocol):
    """What happened in the run that explains what a client saw."""

    def explains_refusal(self, client: str, code: str, at_ms: float) -> bool:
        """Whether a room may have been refused with this code."""

    def explains_delay(self, client: str, since_ms: float, at_ms: float) -> bool:
        """Whether what there was at ``since_ms`` may not have arrived by ``at_ms``."""

    def connected_until(self, client: str, since_ms: float) -> float:
        """When a connection of the client ended, after ``since_ms``; infinity if none did."""


class NoExcuses:
    """Nothing happened."""

    def explains_refusal(self, client: str, code: str, at_ms: float) -> bool:
        return False

    def explains_delay(self, client: str, since_ms: float, at_ms: float) -> bool:
        return False

    def connected_until(self, client: str, since_ms: float) -> float:
        return float("inf")


NO_EXCUSES = NoExcuses()
