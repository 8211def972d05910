"""Rules about Redis: what a fleet needs of it. Pure."""

from collections.abc import Iterator

from touchline_server.config.settings import Settings
from touchline_server.config.workers import is_embedded
from touchline_server.doctor.facts import RedisFacts, RedisServer
from touchline_server.doctor.finding import Finding, Severity
from touchline_server.store.redis.eviction import SAFE_POLICY

from .clock import clock_finding

VERSION_MIN = (6, 2)
FULL_SHARE = 0.8
"""Above this share of its memory, a busy evening may fill a Redis that refuses writes when it is full."""
MORE_MEMORY = "raise maxmemory, or shorten keeper.room_idle_s"
READ_ONLY, FULL = "READONLY", "OOM"
"""How refusals begin that do not come from a missing permission."""


def redis_findings(settings: Settings, facts: RedisFacts | None) -> Iterator[Finding]:
    """What does not work with Redis. Without ``facts`` the settings name none."""
    if facts is None:
        yield from _without(settings)
        return
    if facts.trouble is not None:
        yield _no_answer(facts)
        return
    for command, why in facts.refused.items():
        if not why.startswith((READ_ONLY, FULL)):
            yield Finding(
                Severity.ERROR,
                "redis_permission",
                command,
                f"the user in redis.url may not use it: {why}",
                "give it the rules for edges of docs/fleet.md (ACL SETUSER)",
            )
    is_full = any(why.startswith(FULL) for why in facts.refused.values())
    if is_full:
        text = "it is full, and refuses writes: rooms, presence and players are not kept"
        yield Finding(Severity.ERROR, "redis_full", "maxmemory", text, MORE_MEMORY)
    for server in facts.servers:
        yield from _server(server, is_full=is_full)
    effect = "workers may count as dead while they live, or the other way round"
    if wrong := clock_finding("redis_clock", "redis.url", "Redis", facts.clock_off_s, facts.round_trip_s, effect):
        yield wrong


def _without(settings: Settings) -> Iterator[Finding]:
    if not is_embedded(settings.log):
        yield Finding(
            Severity.NOTE,
            "no_redis",
            "redis.url",
            "no Redis is set: each process knows its own clients alone, and the state of rooms only from the window",
            "set redis.url, and run touchline keeper, as soon as there is a second process (docs/fleet.md)",
        )


def _no_answer(facts: RedisFacts) -> Finding:
    assert facts.trouble is not None  # noqa: S101 - the caller has looked
    if facts.trouble.is_refusal:
        cure = "correct redis.url and the options beside it: docs/fleet.md"
        return Finding(Severity.ERROR, "redis_refused", "redis.url", facts.trouble.text, cure)
    cure = "start Redis, or correct redis.url (and redis.sentinels, redis.cluster)"
    return Finding(Severity.ERROR, "redis_away", "redis.url", facts.trouble.text, cure)


def _server(server: RedisServer, *, is_full: bool) -> Iterator[Finding]:
    version = ".".join(map(str, server.version))
    if server.version and server.version[:2] < VERSION_MIN:
        text = f"Redis {version} lacks commands that Touchline uses"
        yield Finding(Severity.ERROR, "redis_old", "redis.url", text, "use Redis 6.2 or newer, or Valkey")
    if server.role not in (None, "master"):
        text = "redis.url names a replica, which takes no writes"
        yield Finding(Severity.ERROR, "redis_replica", "redis.url", text, "name the primary, or set redis.sentinels")
    if server.policy not in (None, SAFE_POLICY):
        limited = server.memory_max_bytes > 0
        text = f"its maxmemory-policy is {server.policy}"
        text += ": when it is full it removes rooms and players, and what is left looks complete" if limited else ""
        severity = Severity.ERROR if limited else Severity.WARNING
        cure = "redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf"
        yield Finding(severity, "redis_evicts", "maxmemory-policy", text, cure)
    if server.memory_max_bytes and server.memory_used_bytes > FULL_SHARE * server.memory_max_bytes and not is_full:
        share = 100 * server.memory_used_bytes / server.memory_max_bytes
        text = (
            f"{share:.0f} % of its memory is used ({server.memory_used_bytes:,} of {server.memory_max_bytes:,} bytes)"
        )
        yield Finding(Severity.WARNING, "redis_full", "maxmemory", text, MORE_MEMORY)
