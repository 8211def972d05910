"""Runs the probes side by side, and then every rule."""

import asyncio

from touchline_server.config.settings import Settings
from touchline_server.config.workers import is_embedded

from .facts import KafkaFacts, RedisFacts
from .finding import Finding, by_importance
from .probes.kafka import look_at_kafka
from .probes.machine import look_at_machine
from .rules.kafka import kafka_findings, uses
from .rules.machine import machine_findings
from .rules.redis import redis_findings


async def examine(settings: Settings) -> list[Finding]:
    """All that is wrong with these settings, here and now, the most important first.

    Raises:
        OperatorError: an address or a certificate in the settings cannot be used at all.
    """
    kafka, redis = await asyncio.gather(_look_at_kafka(settings), _look_at_redis(settings))
    machine = await asyncio.to_thread(look_at_machine, settings.tls)
    findings = [*redis_findings(settings, redis), *machine_findings(settings, machine)]
    if kafka is not None:
        findings = [*kafka_findings(settings, kafka), *findings]
    return by_importance(findings)


async def _look_at_kafka(settings: Settings) -> KafkaFacts | None:
    if is_embedded(settings.log):
        return None
    topics = uses(settings)
    return await look_at_kafka(settings, list(topics), [name for name, use in topics.items() if use.is_feed])


async def _look_at_redis(settings: Settings) -> RedisFacts | None:
    if settings.redis.url is None:
        return None
    # redis-py takes as long as a tenth of a server's start, and most who try Touchline have no Redis.
    from .probes.redis import look_at_redis  # noqa: PLC0415 - see above

    return await look_at_redis(settings.redis)
