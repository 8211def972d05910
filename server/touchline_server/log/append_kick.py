"""Appends the verdict that kicks a player: a ban that ends soon.

It is a verdict so that it reaches every edge, in order with all others, and holds for edges that start meanwhile. Since
only a player's newest verdict counts, a kick is refused where it would end an earlier one too soon.
"""

from touchline_protocol.messages import Verdict
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.core.log import Entry, Log

from .requested_append import append_requested

RULE = "operator"
"""What the verdict names as its rule, for investigators."""


def outlasts(standing: Verdict | None, until_ms: int) -> bool:
    """Whether the verdict that stands against a player ends later than a kick would: the kick must not shorten it."""
    return standing is not None and (standing.until is None or standing.until > until_ms)


async def append_kick(log: Log, topic: str, player: str, *, now_ms: int, until_ms: int, reason: str) -> None:
    """Append the verdict; returns once it is durable.

    Raises:
        As `append_requested`.
    """
    verdict = VerdictRecord(kind="ban", reason=reason, until=until_ms, rule=RULE, decided_ms=now_ms)
    await append_requested(log, topic, [Entry(player.encode(), encode_verdict(verdict), VERDICT_HEADERS)])
