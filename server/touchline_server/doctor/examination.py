"""Runs the probes side by side, and then every rule."""

import asyncio

from touchline_server.config.settings import Settings
from touchline_server.config.workers import is_embedded

from .facts import KafkaFacts, LogFileFacts, RedisFacts
from .finding import Finding, by_importance
from .probes.kafka import look_at_kafka
from .probes.log_file import look_at_log_file
from .probes.machine import look_at_machine
from .rules.kafka import kafka_findings
from .rules.log_file import log_file_findings
from .rules.machine import machine_findings
from .rules.redis import redis_findings
from .rules.topics import uses


async def examine(settings: Settings) -> list[Finding]:
    """All that is wrong with these settings, here and now, the most important first.

    Raises:
        OperatorError: an address or a certificate in the settings cannot be used at all.
    """
    log, redis = await asyncio.gather(_look_at_log(settings), _look_at_redis(settings))
    machine = await asyncio.to_thread(look_at_machine, settings.tls)
    of_log = log_file_findings(log) if isinstance(log, LogFileFacts) else kafka_findings(settings, log)
    return by_importance([*of_log, *redis_findings(settings, redis), *machine_findings(settings, machine)])


async def _look_at_log(settings: Settings) -> KafkaFacts | LogFileFacts:
    if is_embedded(settings.log):
        return await asyncio.to_thread(look_at_log_file, settings)
    topics = uses(settings)
    feeds = [name for name, use in topics.items() if use.is_feed]
    group = None if settings.redis.url is None else settings.keeper_group
    return await look_at_kafka(settings, list(topics), readable=feeds, group=group)


async def _look_at_redis(settings: Settings) -> RedisFacts | None:
    if settings.redis.url is None:
        return None
    # redis-py takes as long as a tenth of a server's start, and most who try Touchline have no Redis.
    from .probes.redis import look_at_redis  # noqa: PLC0415 - see above

    return await look_at_redis(settings.redis)
