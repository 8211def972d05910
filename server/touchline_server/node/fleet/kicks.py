"""Kicks a player: checks what the verdict would replace, then appends it. A supervisor does it like a node."""

import time
from collections.abc import Awaitable, Callable

import structlog

from touchline_protocol.messages import Verdict
from touchline_server.control.backend import PLAYERS_UNKNOWN, VERDICT_STANDS, ImpossibleRequest
from touchline_server.core.log import Log
from touchline_server.log.append_kick import append_kick, outlasts

logger = structlog.get_logger("touchline.node")


def no_players() -> ImpossibleRequest:
    """The error of a server without keys for tokens."""
    return ImpossibleRequest(PLAYERS_UNKNOWN, "this server checks no tokens, so it knows no players")


async def kick_player(
    log: Log,
    topic: str,
    player: str,
    seconds: int,
    reason: str,
    standing: Callable[[str], Awaitable[Verdict | None]],
) -> int:
    """Kick a player, and return when that ends, in Unix milliseconds. ``standing`` finds the verdict in force.

    Raises:
        As `ControlBackend.kick`, and whatever ``standing`` raises.
    """
    now_ms = time.time_ns() // 1_000_000
    until_ms = now_ms + 1000 * seconds
    verdict = await standing(player)
    if verdict is not None and outlasts(verdict, until_ms):
        raise ImpossibleRequest(
            VERDICT_STANDS, f"a {verdict.kind} stands against the player and ends later: a kick would end it too soon"
        )
    await append_kick(log, topic, player, now_ms=now_ms, until_ms=until_ms, reason=reason)
    logger.info("player_kicked", player=player, seconds=seconds)
    return until_ms
