"""``cheatwatch watch``: its options. `watch_service` does the work."""

from typing import Annotated, Literal

import typer

from .options import ACTIONS_TOPIC, VERDICTS_TOPIC, LogOption, RulesOption, VerdictsTopicOption

GROUP = "cheatwatch"
"""The default consumer group. No other application may use it, because what that one reads would not be judged."""

LOOK_BACK_S = 3600.0
"""How old the events are that are read at the start. A reaction needs seconds; a score, all since it was last seen."""


def watch(
    log: LogOption,
    group: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The consumer group. Its members share the players; no other program may use it."
        ),
    ] = GROUP,
    start: Annotated[
        Literal["end", "beginning"], typer.Option(help="Where a group starts that has never read before.")
    ] = "end",
    rules: RulesOption = None,
    feeds: Annotated[
        str | None,
        typer.Option(metavar="FEEDS", help="The feeds whose events rules need: match=match-events,score=score-events"),
    ] = None,
    actions_topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="The topic that edges write actions to.")
    ] = ACTIONS_TOPIC,
    verdicts_topic: VerdictsTopicOption = VERDICTS_TOPIC,
    look_back: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="The age of the oldest events to read at the start.")
    ] = LOOK_BACK_S,
    json: Annotated[bool, typer.Option("--json", help="Print findings as lines of JSON instead of a table.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="PORT", help="Serve Prometheus metrics on this port.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(metavar="HOST", help="The address to serve metrics on.")] = "127.0.0.1",
) -> None:
    """Read the players' actions, judge them, and write verdicts, until SIGTERM or Ctrl-C."""
    from .watch_service import WatchOptions, run_watch  # noqa: PLC0415 - see the package

    options = WatchOptions(
        url=log,
        group=group,
        start=start,
        rules_file=rules,
        feeds=feeds,
        actions_topic=actions_topic,
        verdicts_topic=verdicts_topic,
        look_back_s=look_back,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        json=json,
    )
    run_watch(options)
