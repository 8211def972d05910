"""Follows whole topics in Kafka: all partitions, without a group, from a time on. `Follower` is one consumer.

Rules:

1. Offsets are ours: nothing is reset in silence. Where the log does not hold them (retention was faster, the topic is
   another one), `Lost` is handed out before what comes next, from the log's beginning.
2. A topic that does not exist is looked for again, by a question that makes none; so are partitions that are added.
3. A Kafka that is away is waited for. What only an operator can mend is raised.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from touchline.actions.kafka_connect import OUTAGES, REFUSALS, consumer_options, in_words, started_consumer
from touchline_protocol.errors import OperatorError
from touchline_protocol.records import Record

from .ruleset import KafkaOptions

POLL_MS = 100
"""How long a poll waits, so how late rules hear that no event came."""
FETCH_WAIT_MS = 100
"""How long the broker waits for records before it says that there are none: until then nobody can know."""
RECORDS_MAX = 1_000
"""Of one poll: some 10 ms of work, after which the loop serves others."""
LOOK_EVERY_S = 10.0
"""For topics that were made and partitions that were added. They are read from their beginning."""
RETRY_S = 1.0
SETTINGS = "tls and sasl_mechanism in [kafka] of the rule set (--rules)"
"""What says how to reach Kafka, besides its address, to who runs cheatwatch."""

_log = logging.getLogger("touchline.cheatwatch")


class Followed(NamedTuple):
    """A record. ``whole``: all records of its partition since offset 0 were handed out."""

    topic: str
    record: Record
    whole: bool


class Lost(NamedTuple):
    """Records of this topic were missed."""

    topic: str


class _Place:
    """Where a partition is being read."""

    __slots__ = ("next_offset", "whole")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.whole = next_offset == 0


class Follower:
    """Reads ``topics`` from the records of ``since_ms`` (Unix milliseconds) on, or all of them. For ``async with``."""

    def __init__(self, url: str, options: Mapping[str, Any], topics: Sequence[str], *, since_ms: int | None) -> None:
        own = consumer_options(url, "", {**options, "fetch_max_wait_ms": FETCH_WAIT_MS})
        self._options = {**own, "group_id": None, "client_id": "touchline-cheatwatch"}
        self._topics = topics
        self._since_ms = since_ms
        self._places: dict[TopicPartition, _Place] = {}
        self._consumer: AIOKafkaConsumer
        self._looked_at = 0.0
        self._known_ms = 0
        self.missing: frozenset[str] = frozenset()
        """Topics that do not exist."""

    async def __aenter__(self) -> Self:
        self._consumer = await started_consumer(self._options, SETTINGS)
        try:
            await self._look(self._since_ms)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    @property
    def known_ms(self) -> int:
        """Everything that was in the topics at this time was handed out; 0 before all that was there at first was."""
        return self._known_ms

    async def poll(self) -> list[Followed | Lost]:
        """Wait a moment for records. Those of a partition are in order.

        Raises:
            OperatorError: Kafka refuses.
        """
        try:
            if time.monotonic() - self._looked_at > LOOK_EVERY_S:
                await self._look(None)
            if not self._places:
                self._known_ms = round(time.time() * 1000)
                await asyncio.sleep(POLL_MS / 1000)
                return []
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            found: list[Followed | Lost] = [
                self._follow(tp, record) for tp, records in fetched.items() for record in records
            ]
            await self._note_known()
        except OffsetOutOfRangeError as error:
            return await self._begin_again(list(error.args[0]))
        except OUTAGES as error:
            if isinstance(error, REFUSALS):
                raise OperatorError(f"{', '.join(self._topics)} cannot be read: {in_words(error)}") from error
            _log.warning("%s cannot be read now, trying again: %s", ", ".join(self._topics), in_words(error))
            await asyncio.sleep(RETRY_S)
            return []
        return found

    def _follow(self, tp: TopicPartition, record: Record) -> Followed:
        place = self._places[tp]
        place.whole = place.whole and record.offset == place.next_offset
        place.next_offset = record.offset + 1
        return Followed(tp.topic, record, place.whole)

    async def _note_known(self) -> None:
        """What every partition's newest answer told the end of, and is handed out, is known as of that answer."""
        answered_ms = []
        for tp in self._places:
            end = self._consumer.last_stable_offset(tp)
            at_ms = self._consumer.last_poll_timestamp(tp)
            if end is None or at_ms is None or await self._consumer.position(tp) < end:
                return
            answered_ms.append(at_ms)
        self._known_ms = max(self._known_ms, min(answered_ms))

    async def _look(self, since_ms: int | None) -> None:
        """Read what exists of the topics. What is new is read from ``since_ms`` on, or all of it."""
        self._looked_at = time.monotonic()
        cluster = await self._consumer._client.fetch_all_metadata()  # to ask for one topic can make it
        found = {topic: cluster.partitions_for_topic(topic) or set() for topic in self._topics}
        self.missing = frozenset(topic for topic, indexes in found.items() if not indexes)
        there = {TopicPartition(topic, index) for topic, indexes in found.items() for index in indexes}
        new = there - self._places.keys()
        if not new:
            return
        self._consumer.assign([*self._places, *new])
        self._places.update({tp: _Place(offset) for tp, offset in (await self._starts(new, since_ms)).items()})
        for tp, place in self._places.items():
            self._consumer.seek(tp, place.next_offset)

    async def _starts(self, new: set[TopicPartition], since_ms: int | None) -> dict[TopicPartition, int]:
        begins: dict[TopicPartition, int] = await self._consumer.beginning_offsets(list(new))
        if since_ms is None:
            return begins
        ends = await self._consumer.end_offsets(list(new))
        times = await self._consumer.offsets_for_times(dict.fromkeys(new, max(0, since_ms)))
        return {tp: ends[tp] if times[tp] is None else max(begins[tp], times[tp].offset) for tp in new}

    async def _begin_again(self, partitions: Sequence[TopicPartition]) -> list[Followed | Lost]:
        for tp, offset in (await self._consumer.beginning_offsets(list(partitions))).items():
            _log.warning("%s, partition %d: some records were gone before they were read", *tp)
            self._places[tp] = _Place(offset)
            self._places[tp].whole = False
            self._consumer.seek(tp, offset)
        return [Lost(topic) for topic in sorted({tp.topic for tp in partitions})]


def client_options(options: KafkaOptions) -> dict[str, Any]:
    """What aiokafka's clients need to connect.

    Raises:
        OperatorError: a certificate or key file cannot be used.
    """
    secured = "SSL" if options.tls else "PLAINTEXT"
    found: dict[str, Any] = {"security_protocol": f"SASL_{secured}" if options.sasl_mechanism else secured}
    if options.sasl_mechanism:
        found["sasl_mechanism"] = options.sasl_mechanism
        found["sasl_plain_username"] = options.sasl_username
        found["sasl_plain_password"] = options.sasl_password
    if options.tls:
        found["ssl_context"] = _ssl_context(options)
    return found


def _ssl_context(options: KafkaOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        if options.cert_file is not None:
            context.load_cert_chain(options.cert_file, options.key_file, options.key_password)
    except OSError as error:  # an unreadable file as well as one that holds no certificate
        files = ", ".join(file for file in (options.ca_file, options.cert_file, options.key_file) if file)
        raise OperatorError(f"Kafka's TLS files ({files}) cannot be used: {error}") from error
    context.check_hostname = options.tls_check_hostname
    return context
