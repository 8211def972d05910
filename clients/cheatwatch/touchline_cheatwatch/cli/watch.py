"""``cheatwatch watch``: the service, with what it shows."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Literal, NamedTuple

import typer

from touchline.actions import TOPIC as ACTIONS_TOPIC
from touchline.actions import read
from touchline_cheatwatch.engine import Engine
from touchline_cheatwatch.kafka_follow import client_options
from touchline_cheatwatch.kafka_sources import KafkaEvents, KafkaVerdicts
from touchline_cheatwatch.ruleset import FeedOptions, RuleSet, load_rule_set
from touchline_cheatwatch.service import Service

from .display import JsonObserver, TableObserver
from .options import VERDICTS_TOPIC, LogOption, RulesOption, VerdictsTopicOption, parse_feeds
from .tally import Metrics, Tally

GROUP = "cheatwatch"
"""Of whoever names none. No other application may have it: what that one got would not be judged."""
LOOK_BACK_S = 3600.0
"""Events are read from so long before the start: a reaction needs seconds, a score what happened since it was told."""
COMMIT_S = 0.5
"""How often what was judged is committed: after a crash so much is judged again."""


class _WatchOptions(NamedTuple):
    url: str
    group: str
    start: Literal["end", "beginning"]
    actions_topic: str
    verdicts_topic: str
    feeds: Mapping[str, FeedOptions]
    look_back_s: float
    metrics_host: str
    metrics_port: int | None


def watch(
    log: LogOption,
    group: Annotated[
        str, typer.Option(metavar="NAME", help="Those of one consumer group share the players; no others may use it.")
    ] = GROUP,
    start: Annotated[
        Literal["end", "beginning"], typer.Option(help="Where a group begins that never read before.")
    ] = "end",
    rules: RulesOption = None,
    feeds: Annotated[
        str | None,
        typer.Option(metavar="FEEDS", help="Feeds whose events rules need: match=match-events,score=score-events"),
    ] = None,
    actions_topic: Annotated[str, typer.Option(metavar="TOPIC", help="Where edges write actions.")] = ACTIONS_TOPIC,
    verdicts_topic: VerdictsTopicOption = VERDICTS_TOPIC,
    look_back: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How old the events are that are read at start.")
    ] = LOOK_BACK_S,
    json: Annotated[bool, typer.Option("--json", help="Print findings as lines of JSON instead of a table.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="PORT", help="Serve metrics for Prometheus there.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(metavar="HOST")] = "127.0.0.1",
) -> None:
    """Read what players do, judge it, and write verdicts, until SIGTERM or Ctrl-C."""
    rule_set = load_rule_set(rules)
    named = rule_set.feeds if feeds is None else parse_feeds(feeds)
    watched = _WatchOptions(
        log, group, start, actions_topic, verdicts_topic, named, look_back, metrics_host, metrics_port
    )
    logging.basicConfig(format="cheatwatch: %(message)s", level=logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters of it is said by us, once
    asyncio.run(_until_told(watched, rule_set, json=json))


async def _until_told(watched: _WatchOptions, rule_set: RuleSet, *, json: bool) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(_watch(watched, rule_set, json=json))
    told = False

    def stop() -> None:
        nonlocal told
        told = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise


async def _watch(watched: _WatchOptions, rule_set: RuleSet, *, json: bool) -> None:
    engine = Engine(rule_set.rules, rule_set.policy, rule_set.limits)
    options = client_options(rule_set.kafka)
    since_ms = round((time.time() - watched.look_back_s) * 1000)
    async with AsyncExitStack() as stack:
        verdicts = await stack.enter_async_context(KafkaVerdicts(watched.url, options, watched.verdicts_topic))
        events = await stack.enter_async_context(KafkaEvents(watched.url, options, watched.feeds, since_ms))
        actions = await stack.enter_async_context(
            read(
                watched.url,
                group=watched.group,
                topic=watched.actions_topic,
                start=watched.start,
                commit_s=COMMIT_S,
                kafka_options=options,
            )
        )
        metrics = Metrics(
            engine,
            lambda: {"actions": actions.skipped, "events": events.skipped, "verdicts": verdicts.skipped},
            lambda: actions.copies,
        )
        if watched.metrics_port is not None:
            stack.callback(metrics.serve(watched.metrics_host, watched.metrics_port))
        shown = JsonObserver(engine, Tally(), metrics) if json else TableObserver(engine, Tally(), metrics)
        with shown.live() if isinstance(shown, TableObserver) else contextlib.nullcontext():
            await Service(engine, actions, events, verdicts, shown).run()
