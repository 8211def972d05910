"""Runs the service for ``cheatwatch watch``, with the table or the JSON lines that it shows."""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, NamedTuple

from touchline.actions import ActionSource, read
from touchline_cheatwatch.engine import Engine
from touchline_cheatwatch.kafka_sources import KafkaEvents, KafkaVerdicts, cluster_of
from touchline_cheatwatch.ruleset import FeedOptions, RuleSet, load_rule_set
from touchline_cheatwatch.service import Service
from touchline_cli.output import write_text
from touchline_kafka.address import servers_of
from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_feed_name

from .display import JsonObserver, LinesObserver, TableObserver
from .metrics import Metrics, Reads
from .tally import Tally

COMMIT_S = 0.5
"""How often judged actions are committed. After a crash, this much is judged again."""


class WatchOptions(NamedTuple):
    """The options of the command, as given. ``feeds`` is text; None takes the feeds of the rule set."""

    url: str
    group: str
    start: Literal["end", "beginning"]
    rules_file: Path | None
    feeds: str | None
    actions_topic: str
    verdicts_topic: str
    look_back_s: float
    metrics_host: str
    metrics_port: int | None
    json: bool


def run_watch(options: WatchOptions) -> None:
    """Judge until a signal ends it.

    Raises:
        OperatorError: an option, the rule set, or Kafka's configuration is wrong.
    """
    rule_set = load_rule_set(options.rules_file)
    feeds = rule_set.feeds if options.feeds is None else parse_feeds(options.feeds)
    logging.basicConfig(format="cheatwatch: %(message)s", level=logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # we report what matters of it, once
    asyncio.run(_run_until_signal(options, rule_set, feeds))


def parse_feeds(text: str) -> Mapping[str, FeedOptions]:
    """Parse feeds written as ``match=match-events,score=score-events``.

    Raises:
        OperatorError: the text is malformed.
    """
    feeds = {}
    for part in text.split(","):
        name, _, topic = part.strip().partition("=")
        if not is_feed_name(name) or not topic:
            raise OperatorError(f"--feeds: {part!r} is not a feed: write match=match-events,score=score-events")
        feeds[name] = FeedOptions(topic=topic)
    return feeds


async def _run_until_signal(options: WatchOptions, rule_set: RuleSet, feeds: Mapping[str, FeedOptions]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(_watch(options, rule_set, feeds))
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


async def _watch(options: WatchOptions, rule_set: RuleSet, feeds: Mapping[str, FeedOptions]) -> None:
    engine = Engine(rule_set.rules, rule_set.policy, rule_set.limits)
    cluster = cluster_of(options.url, rule_set.kafka)
    if not options.json:
        topics = ", ".join([options.actions_topic, options.verdicts_topic, *(feed.topic for feed in feeds.values())])
        write_text(f"connecting to {', '.join(servers_of(options.url))} as group {options.group}, for {topics}")
    since_ms = round((time.time() - options.look_back_s) * 1000)
    async with AsyncExitStack() as stack:
        verdicts = await stack.enter_async_context(KafkaVerdicts(cluster, options.verdicts_topic))
        events = await stack.enter_async_context(KafkaEvents(cluster, feeds, since_ms))
        actions = await stack.enter_async_context(
            read(
                options.url,
                group=options.group,
                topic=options.actions_topic,
                start=options.start,
                commit_s=COMMIT_S,
                security=rule_set.kafka,
            )
        )
        metrics = Metrics(engine, lambda: _reads(options.actions_topic, actions, events, verdicts))
        if options.metrics_port is not None:
            stack.callback(metrics.serve(options.metrics_host, options.metrics_port))
        observer = _observer_class(options)(engine, Tally(), metrics)
        with observer.live() if isinstance(observer, TableObserver) else contextlib.nullcontext():
            try:
                await Service(engine, actions, events, verdicts, observer).run()
            finally:
                if isinstance(observer, LinesObserver):
                    observer.ended()


def _reads(topic: str, actions: ActionSource, events: KafkaEvents, verdicts: KafkaVerdicts) -> Reads:
    return Reads(
        {"actions": actions.skipped, "events": events.skipped, "verdicts": verdicts.skipped},
        actions.duplicates,
        {
            **{(topic, partition): lag for partition, lag in actions.lags.items()},
            **events.lags,
            **verdicts.lags,
        },
        {**events.answer_ages_s(), **verdicts.answer_ages_s()},
    )


def _observer_class(options: WatchOptions) -> type[JsonObserver | TableObserver | LinesObserver]:
    if options.json:
        return JsonObserver
    return TableObserver if sys.stdout.isatty() else LinesObserver
