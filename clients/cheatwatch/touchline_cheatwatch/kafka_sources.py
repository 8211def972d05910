"""The service's sources in Kafka: the events of rooms, and the verdicts."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from touchline_kafka.address import servers_of
from touchline_kafka.client import Client
from touchline_kafka.cluster import CONNECT_TIMEOUT_S, Cluster
from touchline_kafka.follow.follower import Follower, RecordsLost
from touchline_kafka.produce.producer import BoundedProducer, ProduceFailed
from touchline_kafka.retry import Retry
from touchline_kafka.security import Security
from touchline_kafka.topics import NoSuchTopic, Topics
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import parse_record
from touchline_protocol.tracing.traceparent import traceparent_headers
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, decode_verdict, encode_verdict

from .event_names import event_name
from .rooms import Event
from .ruleset import FeedOptions
from .sources import EventsLost, RoomEvent
from .types import Decision

STOP_TIMEOUT_S = 5.0
"""How long the service waits at its end for verdicts that are being written."""
CLIENT_ID = "touchline-cheatwatch"
HINT = "tls and sasl_mechanism in [kafka] of the rule set (--rules)"
"""What an operator checks, besides the address, when no broker answers."""

_log = logging.getLogger("touchline.cheatwatch")


def cluster_of(url: str, security: Security) -> Cluster:
    """The Kafka cluster at ``url``.

    Raises:
        OperatorError: the address is wrong, or a certificate or key file cannot be used.
    """
    return Cluster(servers_of(url), security, client_id=CLIENT_ID, connect_timeout_s=CONNECT_TIMEOUT_S, hint=HINT)


class KafkaEvents:
    """The events of the feeds' topics, from ``since_ms`` (Unix milliseconds) on. Use it as ``async with``."""

    def __init__(self, cluster: Cluster, feeds: Mapping[str, FeedOptions], since_ms: int) -> None:
        self._feeds = {options.topic: (name, options.key_field) for name, options in feeds.items()}
        self._follower = Follower(cluster, list(self._feeds), since_ms=since_ms)
        self.skipped = 0
        """Records that do not hold an event."""

    async def __aenter__(self) -> Self:
        await self._follower.__aenter__()
        if self._follower.missing:
            missing = ", ".join(sorted(self._follower.missing))
            _log.warning("Kafka has no topic %s: rules know none of its events until it is created", missing)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._follower.__aexit__(kind, error, trace)

    @property
    def known_s(self) -> float | None:
        """See `sources.EventSource`."""
        return self._follower.known_s

    @property
    def lags(self) -> Mapping[tuple[str, int], int]:
        """Offsets that were not read yet, by topic and partition."""
        return self._follower.lags

    def answer_ages_s(self) -> Mapping[tuple[str, int], float]:
        """How long ago Kafka last answered, by topic and partition."""
        return self._follower.answer_ages_s()

    async def poll(self) -> list[RoomEvent | EventsLost]:
        """See `sources.EventSource`."""
        found: list[RoomEvent | EventsLost] = []
        for one in await self._follower.poll():
            if isinstance(one, RecordsLost):
                found.append(EventsLost())
                continue
            feed, key_field = self._feeds[one.topic]
            try:
                parsed = parse_record(one.record, key_field)
            except BadRecord:
                self.skipped += 1
                continue
            event = Event(one.record.offset, one.record.timestamp, event_name(parsed.key, parsed.value))
            found.append(RoomEvent(f"{feed}:{parsed.room_id}", event, one.complete))
        return found


class _NewVerdict(NamedTuple):
    """A verdict's record; see `touchline_kafka.produce.partition_writer.NewRecord`."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    timestamp: int | None = None


class KafkaVerdicts:
    """The topic of verdicts. Use it as ``async with``."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._follower = Follower(cluster, [topic], since_ms=None)
        self._client: Client
        self._producer: BoundedProducer
        self._writing: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()
        self.skipped = 0
        """Records that do not hold a verdict."""

    async def __aenter__(self) -> Self:
        await self._follower.__aenter__()
        try:
            if self._follower.missing:
                raise NoSuchTopic(self._topic)
            self._client = await self._cluster.connect()
            self._producer = BoundedProducer(self._cluster, Topics(self._client))
        except BaseException:
            await self._follower.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writing:
            _, unwritten = await asyncio.wait(self._writing, timeout=STOP_TIMEOUT_S)
            for task in unwritten:
                _log.warning("%s: not all verdicts could be written", self._topic)
                task.cancel()
        await self._producer.close()
        await self._client.close()
        await self._follower.__aexit__(kind, error, trace)

    @property
    def lags(self) -> Mapping[tuple[str, int], int]:
        """Offsets that were not read yet, by topic and partition."""
        return self._follower.lags

    def answer_ages_s(self) -> Mapping[tuple[str, int], float]:
        """How long ago Kafka last answered, by topic and partition."""
        return self._follower.answer_ages_s()

    async def current(self) -> list[tuple[str, VerdictRecord]]:
        """See `sources.VerdictLog`."""
        found: list[tuple[str, VerdictRecord]] = []
        while self._follower.known_s is None:
            found += await self.poll()
        return found

    async def poll(self) -> list[tuple[str, VerdictRecord]]:
        """See `sources.VerdictLog`."""
        found = []
        for one in await self._follower.poll():
            if isinstance(one, RecordsLost):
                continue  # a compacted topic still has each player's newest verdict
            try:
                found.append(decode_verdict(one.record.key, one.record.value))
            except BadRecord as error:
                self.skipped += 1
                _log.warning("%s, offset %d, is skipped: %s", self._topic, one.record.offset, error)
        return found

    async def write(self, verdicts: Sequence[Decision]) -> None:
        """See `sources.VerdictLog`.

        Raises:
            OperatorError: Kafka refused one. While Kafka is away, it is waited for.
        """
        records = [
            _NewVerdict(player.encode(), encode_verdict(verdict), [*VERDICT_HEADERS, *traceparent_headers(traceparent)])
            for player, verdict, traceparent in verdicts
        ]
        task = asyncio.create_task(self._write(records), name="cheatwatch-write")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        await asyncio.shield(task)

    async def _write(self, records: Sequence[_NewVerdict]) -> None:
        retry = Retry()
        async with self._order:
            while records:
                try:
                    await self._producer.append(self._topic, records, independent=True)
                    return
                except ProduceFailed as error:
                    _log.warning("trying again: %s", error)
                    records = records[error.written :]
                await retry.wait()
