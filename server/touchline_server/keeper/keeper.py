"""The keeper as a process: it is a member of its group, and keeps the partitions that the group gives it.

Rules:

1. Offsets are committed only after Redis has acknowledged the records before them.
2. Before partitions are given away, what was read is written and committed.
3. An outage of Redis or Kafka is waited for. A refusal by Redis at the start ends the process; later on it is reported
   as what it is, and tried again, since an operator can mend it without a restart.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Mapping

import structlog

from touchline_kafka.address import SCHEME, servers_of
from touchline_kafka.cluster import Cluster
from touchline_kafka.group.membership import Membership, Share
from touchline_kafka.partitioner import partition_of
from touchline_protocol.errors import LogUnavailable, OperatorError, StoreRefused, StoreUnavailable
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.core.counters.processes import KeeperCounters
from touchline_server.core.log import OffsetOutOfRange
from touchline_server.core.room_keeping import Moved
from touchline_server.log.kafka.log import HINT, KafkaLog
from touchline_server.metrics.health_table import HealthView, health_snapshot
from touchline_server.metrics.keeper_table import KEEPER_METRICS, KeeperView
from touchline_server.metrics.metric import snapshot
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.server_log.problem_log import ProblemLog
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.eviction import EVICTION, EvictionWatch
from touchline_server.store.redis.room_keeping import RedisRoomKeeping

from .partition_keeper import KeptFeed
from .room_cache import RoomCache
from .session import Session

RETRY_S = 0.5
"""Between two attempts while Redis or Kafka is away."""
LAG_EVERY_S = 5.0
"""How often the log is asked where its partitions end."""
LOOK_EVERY_S = 1.0
"""How often problems are looked at, to log those that are new."""
REPORT_EVERY_S = 60.0
"""How often a line of the log says how far the keeper is."""
REDIS, KAFKA, GROUP = "redis", "kafka", "group"

logger = structlog.get_logger("touchline.keeper")


class Keeper:
    """One keeper.

    Raises:
        OperatorError: the settings name no Redis, or a log that is not Kafka.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.log.startswith(SCHEME):
            raise OperatorError(
                "touchline keeper is for a log in Kafka: the embedded log keeps the state of its rooms itself"
            )
        if settings.redis.url is None:
            raise OperatorError("touchline keeper writes to Redis: set redis.url")
        self._settings = settings
        self._connection = RedisConnection(settings.redis)
        self._eviction = EvictionWatch(self._connection)
        self._keeping = RedisRoomKeeping(self._connection, milliseconds(settings.keeper.room_idle_s))
        self._cache = RoomCache(settings.keeper.cache_bytes_max)
        self._counters = KeeperCounters()
        self._feeds = {
            feed.topic: KeptFeed(name, feed.key_field, settings.state_bytes_max, partition_of, settings.edge_name)
            for name, feed in settings.feeds.items()
        }
        self._release = asyncio.Event()
        self._released = asyncio.Event()
        self._released.set()
        self._session: Session | None = None
        self._log: KafkaLog | None = None
        self._membership: Membership | None = None
        self._problems: dict[str, str] = {}
        self._committed: dict[tuple[str, int], int] = {}
        self.lags: dict[tuple[str, int], int] = {}
        """How many offsets each partition is behind the log's end, as it was last asked for."""

    @property
    def group(self) -> str:
        """The consumer group."""
        return self._settings.keeper_group

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, by what it concerns."""
        problems = {**self._kafka_problems(), **self._problems}
        if self._connection.problem is not None:
            problems.setdefault(REDIS, self._connection.problem)
        if self._membership is None or self._membership.unreadable is None:
            problems.setdefault(GROUP, "the keeper has not joined its group yet")
        return problems

    def _kafka_problems(self) -> Mapping[str, str]:
        """Problems that nobody else logs."""
        problems = {} if self._log is None else dict(self._log.problems)
        member = self._membership
        if member is not None:
            problems |= member.unreadable or {}
            if member.problem:
                problems[GROUP] = member.problem
        return problems

    @property
    def degraded(self) -> Mapping[str, str]:
        """Problems with which the keeper can still do its work."""
        return {} if self._eviction.problem is None else {EVICTION: self._eviction.problem}

    @property
    def kept(self) -> Mapping[tuple[str, int], int]:
        """The partitions that this keeper has, and the next offset of each that Redis does not have yet."""
        session = self._session
        return {} if session is None else {where: one.progress.next_offset for where, one in session.keepers.items()}

    def snapshot(self) -> Snapshot:
        """Its metrics."""
        connection, cache = self._connection, self._cache
        log_problem = None if self._log is None else self._log.unreachable
        health = HealthView(self.problems, self.degraded, log_problem, connection.problem, connection.calls)
        view = KeeperView(self._counters, len(self.kept), self.lags, len(cache), cache.size_bytes)
        return {**snapshot(KEEPER_METRICS, view), **health_snapshot(health)}

    async def start(self) -> None:
        """Find Redis and Kafka, and join the group.

        Raises:
            OperatorError: Redis or Kafka refuses, or Kafka does not answer.
        """
        try:
            await self._connection.call_repeatable(self._connection.client.ping)
        except StoreUnavailable as error:
            logger.warning("store_unavailable", why=str(error))
        settings = self._settings
        cluster = Cluster(
            servers_of(settings.log),
            settings.kafka,
            client_id="touchline-keeper",
            connect_timeout_s=settings.kafka.connect_timeout_s,
            hint=HINT,
        )
        self._membership = await Membership(cluster, self.group, list(self._feeds), self._give_back).__aenter__()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep what the group gives, until ``stop`` is set.

        Raises:
            OperatorError: Kafka refuses.
        """
        member = self._membership
        assert member is not None  # noqa: S101 - to be called after `start`
        stopping = asyncio.create_task(self._stop_on(stop))
        reporting = asyncio.create_task(self._report())
        logging = asyncio.create_task(self._log_problems())
        watching = asyncio.create_task(self._eviction.run())
        try:
            while not stop.is_set():
                member.check()
                member.changed.clear()
                if not member.shares:
                    self._problems.clear()
                    await _first(member.changed, stop)
                    continue
                await self._keep(member.shares, stop)
        finally:
            for task in (stopping, reporting, logging, watching):
                task.cancel()
            await asyncio.gather(stopping, reporting, logging, watching, return_exceptions=True)

    async def close(self) -> None:
        """Leave the group, and close all connections."""
        if self._membership is not None:
            await self._membership.__aexit__(None, None, None)
        await self._connection.close()

    async def _stop_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._release.set()

    async def _give_back(self) -> None:
        self._release.set()
        await self._released.wait()

    async def _keep(self, shares: frozenset[Share], stop: asyncio.Event) -> None:
        """Keep partitions until the group wants them back."""
        self._release.clear()
        self._released.clear()
        try:
            if stop.is_set() or self._membership is None or self._membership.shares != shares:
                return
            await self._keep_once(shares)
        except Moved:
            await _pause(self._release)  # then look again
        except (StoreUnavailable, StoreRefused) as error:
            self._report_store(error)
            await _pause(self._release)
        except LogUnavailable as error:
            if self._problems.get(KAFKA) != str(error):
                logger.warning("log_unavailable", why=str(error))
            self._problems[KAFKA] = str(error)
            await _pause(self._release)
        finally:
            self._released.set()

    async def _keep_once(self, shares: frozenset[Share]) -> None:
        settings = self._settings
        owned: defaultdict[str, set[int]] = defaultdict(set)
        for share in shares:
            owned[share.topic].add(share.partition)
        counts = {share.topic: share.partitions for share in shares}
        await self._connection.call_repeatable(self._connection.client.ping)
        self._cache.clear()
        log = KafkaLog(servers_of(settings.log), settings.kafka)
        session = Session(
            log,
            self._keeping,
            self._cache,
            self._feeds,
            owned,
            counts,
            batch_s=settings.keeper.batch_s,
            counters=self._counters,
        )
        committing: asyncio.Task[None] | None = None
        try:
            since_ms = time.time_ns() // 1_000_000 - milliseconds(settings.state_s)
            await log.open(list(owned), since_ms=since_ms, choice=session)
            self._log, self._session = log, session
            self._problems.clear()
            committing = asyncio.create_task(self._commit_forever())
            await session.run(self._release)
        finally:
            if committing is not None:
                committing.cancel()
                await asyncio.gather(committing, return_exceptions=True)
                await self._commit()
            self._log = self._session = None
            await log.close()

    def _report_store(self, error: OperatorError) -> None:
        if self._problems.get(REDIS) == str(error):
            return
        self._problems[REDIS] = str(error)
        if isinstance(error, StoreRefused):
            logger.error("store_refused", why=str(error))
        else:
            logger.warning("store_unavailable", why=str(error))

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.keeper.commit_s)
            await self._commit()

    async def _commit(self) -> None:
        """Tell the group how far Redis is."""
        member, kept = self._membership, dict(self.kept)
        changed = {where: offset for where, offset in kept.items() if self._committed.get(where) != offset}
        if member is not None and changed and await member.commit(changed):
            self._committed.update(changed)

    async def _report(self) -> None:
        """Learn the lag, and log it now and then."""
        reported_s = time.monotonic()
        while True:
            await asyncio.sleep(LAG_EVERY_S)
            await self._measure_lag()
            if time.monotonic() - reported_s >= REPORT_EVERY_S:
                reported_s = time.monotonic()
                logger.info("keeper_progress", partitions=len(self.lags), lag=sum(self.lags.values()))

    async def _log_problems(self) -> None:
        problem_log = ProblemLog()
        while True:
            problem_log.report(self._kafka_problems())
            await asyncio.sleep(LOOK_EVERY_S)

    async def _measure_lag(self) -> None:
        session, log = self._session, self._log
        if session is None or log is None:
            self.lags = {}
            return
        lags: dict[tuple[str, int], int] = {}
        for where, keeper in list(session.keepers.items()):
            with contextlib.suppress(LogUnavailable, OffsetOutOfRange):
                lags[where] = max(0, await log.end(*keeper.partition) - keeper.progress.next_offset)
        self.lags = lags


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _pause(release: asyncio.Event) -> None:
    """Wait for a moment, unless the partitions are wanted back."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RETRY_S):
            await release.wait()
