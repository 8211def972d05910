"""``cheatwatch verdict``: an operator's word. It is written as it is, over whatever stood."""

import asyncio
import time
from datetime import datetime
from typing import Annotated

import typer

from touchline_cheatwatch.kafka_follow import client_options
from touchline_cheatwatch.kafka_sources import KafkaVerdicts
from touchline_cheatwatch.rules.base import VERDICT_S_MAX
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_cheatwatch.sanctions import operator_verdict
from touchline_protocol.actions import is_player
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import VERDICT_TEXT_CHARS_MAX
from touchline_protocol.messages import VerdictKind
from touchline_protocol.verdicts import VerdictRecord

from .options import VERDICTS_TOPIC, LogOption, RulesOption, VerdictsTopicOption

REASONS: dict[VerdictKind, str] = {
    "warn": "An operator warns you to play by the rules.",
    "mute": "An operator muted you.",
    "ban": "An operator banned you.",
    "pardon": "",
}


def verdict(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help="The player's id: sub in its tokens.")],
    kind: Annotated[VerdictKind, typer.Argument(metavar="KIND", help="warn, mute, ban or pardon.")],
    log: LogOption,
    seconds: Annotated[
        float | None, typer.Option(min=1, max=VERDICT_S_MAX, help="How long it holds; else for ever.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Or until when, as 2030-01-31T20:00+01:00")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="A sentence for the player.")] = None,
    verdicts_topic: VerdictsTopicOption = VERDICTS_TOPIC,
    rules: RulesOption = None,
) -> None:
    """Write a verdict by hand, over whatever stood; a pardon lifts it. --rules is for its [kafka] alone."""
    if not is_player(player):
        raise OperatorError(f"{player[:80]!r} is no player's id: 1 to 128 bytes, printable, without spaces")
    reason = REASONS[kind] if reason is None else reason
    if len(reason) > VERDICT_TEXT_CHARS_MAX:
        raise OperatorError(f"--reason: at most {VERDICT_TEXT_CHARS_MAX} characters, not {len(reason)}")
    now_ms = round(time.time() * 1000)
    record = operator_verdict(kind, reason, _until_ms(kind, seconds, until, now_ms), now_ms)
    options = client_options(load_rule_set(rules).kafka)
    asyncio.run(_write(KafkaVerdicts(log, options, verdicts_topic), player, record))
    ends = "" if record.until is None else f" until {datetime.fromtimestamp(record.until / 1000).astimezone():%F %T%z}"
    typer.echo(f"{player}: {kind}{ends}")


async def _write(verdicts: KafkaVerdicts, player: str, record: VerdictRecord) -> None:
    async with verdicts:
        await verdicts.write([(player, record)])


def _until_ms(kind: VerdictKind, seconds: float | None, until: str | None, now_ms: int) -> int | None:
    if seconds is not None and until is not None:
        raise OperatorError("--seconds and --until exclude each other")
    if kind == "pardon" and (seconds is not None or until is not None):
        raise OperatorError("a pardon has no end: leave out --seconds and --until")
    if seconds is not None:
        return now_ms + round(seconds * 1000)
    if until is None:
        return None
    try:
        at = datetime.fromisoformat(until)
    except ValueError:
        raise OperatorError(f"--until: {until!r} is no time: write 2030-01-31T20:00+01:00") from None
    at_ms = round(at.astimezone().timestamp() * 1000)
    if at_ms <= now_ms:
        raise OperatorError(f"--until: {until} is over, so it would have no effect")
    return at_ms
