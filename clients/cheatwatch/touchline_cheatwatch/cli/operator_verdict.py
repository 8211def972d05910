"""Writes an operator's verdict for ``cheatwatch verdict``: unchanged, over any that stands."""

import asyncio
import shlex
import sys
import time
from datetime import datetime
from pathlib import Path

from touchline_cheatwatch.kafka_sources import KafkaVerdicts, cluster_of
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_cheatwatch.sanctions import operator_verdict
from touchline_cheatwatch.types import Decision
from touchline_kafka.address import servers_of
from touchline_protocol.actions import is_player
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import VERDICT_TEXT_CHARS_MAX
from touchline_protocol.messages import VerdictKind
from touchline_protocol.verdicts import VerdictRecord

from .options import VERDICTS_TOPIC

REASONS: dict[VerdictKind, str] = {
    "warn": "An operator warns you to play by the rules.",
    "mute": "An operator muted you.",
    "ban": "An operator banned you.",
    "pardon": "",
}


def write_verdict(
    player: str,
    kind: VerdictKind,
    *,
    seconds: float | None,
    until: str | None,
    reason: str | None,
    url: str,
    topic: str,
    rules_file: Path | None,
) -> str:
    """Write a verdict to ``topic``. Returns when it ends, for the user: " until …", " for ever" and how to lift it, or
    an empty string.

    Raises:
        OperatorError: an option is invalid, or the verdict cannot be written.
    """
    if not is_player(player):
        raise OperatorError(f"{player[:80]!r} is not a player id: use 1 to 128 printable bytes without spaces")
    reason = REASONS[kind] if reason is None else reason
    if len(reason) > VERDICT_TEXT_CHARS_MAX:
        raise OperatorError(f"--reason: at most {VERDICT_TEXT_CHARS_MAX} characters, not {len(reason)}")
    now_ms = round(time.time() * 1000)
    record = operator_verdict(kind, reason, _until_ms(kind, seconds, until, now_ms), now_ms)
    cluster = cluster_of(url, load_rule_set(rules_file).kafka)
    if sys.stderr.isatty():
        sys.stderr.write(f"connecting to {', '.join(servers_of(url))} ...\n")
    asyncio.run(_write(KafkaVerdicts(cluster, topic), player, record))
    if record.until is None:
        if kind in {"warn", "pardon"}:
            return ""
        return f" for ever; to lift it: {pardon_command(player, url=url, topic=topic, rules_file=rules_file)}"
    return f" until {datetime.fromtimestamp(record.until / 1000).astimezone():%F %T%z}"


def pardon_command(player: str, *, url: str, topic: str, rules_file: Path | None) -> str:
    """The command that lifts a verdict written with the same options, quoted for a shell.

    It holds no secret: `servers_of` refuses a URL with a password.
    """
    options = ["--log", url]
    if topic != VERDICTS_TOPIC:
        options += ["--verdicts-topic", topic]
    if rules_file is not None:
        options += ["--rules", str(rules_file)]
    separator = ["--"] if player.startswith("-") else []
    return shlex.join(["cheatwatch", "verdict", *options, *separator, player, "pardon"])


async def _write(verdicts: KafkaVerdicts, player: str, record: VerdictRecord) -> None:
    async with verdicts:
        await verdicts.write([Decision(player, record)])


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
        raise OperatorError(f"--until: {until!r} is not a time: write 2030-01-31T20:00+01:00") from None
    try:
        at_ms = round(at.astimezone().timestamp() * 1000)
    except (OverflowError, ValueError):
        at_ms = 0
    if at_ms <= now_ms:
        raise OperatorError(f"--until: {until} is in the past, so the verdict would have no effect")
    return at_ms
