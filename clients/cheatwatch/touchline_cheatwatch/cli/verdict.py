"""``cheatwatch verdict``: its options. `operator_verdict` does the work."""

from typing import Annotated

import typer

from touchline_cheatwatch.limits import VERDICT_S_MAX
from touchline_protocol.messages import VerdictKind

from .options import VERDICTS_TOPIC, LogOption, RulesOption, VerdictsTopicOption


def verdict(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help="The player's id: sub in its tokens.")],
    kind: Annotated[VerdictKind, typer.Argument(metavar="KIND", help="warn, mute, ban or pardon.")],
    log: LogOption,
    seconds: Annotated[
        float | None, typer.Option(min=1, max=VERDICT_S_MAX, help="How long it holds. Default: for ever.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it ends, such as 2030-01-31T20:00+01:00")
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="A sentence for the player.")] = None,
    verdicts_topic: VerdictsTopicOption = VERDICTS_TOPIC,
    rules: RulesOption = None,
) -> None:
    """Write a verdict by hand, over any that stands; a pardon lifts it. Only [kafka] of --rules is used."""
    from .operator_verdict import write_verdict  # noqa: PLC0415 - see the package

    ending = write_verdict(
        player, kind, seconds=seconds, until=until, reason=reason, url=log, topic=verdicts_topic, rules_file=rules
    )
    typer.echo(f"{player}: {kind}{ending}")
