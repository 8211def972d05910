"""The service's sources in Kafka: the events of rooms, and the verdicts."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from touchline.actions.kafka_connect import OUTAGES, consumer_options, in_words
from touchline_protocol.errors import BadRecord, LogUnavailable, OperatorError
from touchline_protocol.records import parse_record
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, decode_verdict, encode_verdict

from .event_names import event_name
from .kafka_follow import Follower, Lost
from .rooms import Event
from .ruleset import FeedOptions
from .sources import EventsLost, RoomEvent

STOP_TIMEOUT_S = 5.0
"""For what is being written when the service ends."""

_log = logging.getLogger("touchline.cheatwatch")


class _Batches(set[Any]):
    """aiokafka's set of batches that are out. It takes out a batch that it sends again twice where that one fails."""

    def remove(self, batch: object) -> None:
        self.discard(batch)


class KafkaEvents:
    """The events of the feeds' topics, from ``since_ms`` (Unix milliseconds) on. For ``async with``."""

    def __init__(self, url: str, options: Mapping[str, Any], feeds: Mapping[str, FeedOptions], since_ms: int) -> None:
        self._feeds = {options.topic: (name, options.key_field) for name, options in feeds.items()}
        self._follower = Follower(url, options, list(self._feeds), since_ms=since_ms)
        self.skipped = 0
        """Records that are no events."""

    async def __aenter__(self) -> Self:
        await self._follower.__aenter__()
        if self._follower.missing:
            missing = ", ".join(sorted(self._follower.missing))
            _log.warning("Kafka has no topic %s: rules know none of its events until somebody makes it", missing)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._follower.__aexit__(kind, error, trace)

    @property
    def known_ms(self) -> int:
        """See `sources.EventSource`."""
        return self._follower.known_ms

    async def poll(self) -> list[RoomEvent | EventsLost]:
        """See `sources.EventSource`."""
        found: list[RoomEvent | EventsLost] = []
        for one in await self._follower.poll():
            if isinstance(one, Lost):
                found.append(EventsLost())
                continue
            feed, key_field = self._feeds[one.topic]
            try:
                parsed = parse_record(one.record, key_field)
            except BadRecord:
                self.skipped += 1
                continue
            event = Event(one.record.offset, one.record.timestamp, event_name(parsed.key, parsed.value))
            found.append(RoomEvent(f"{feed}:{parsed.room_id}", event, one.whole))
        return found


class KafkaVerdicts:
    """The topic of verdicts. For ``async with``."""

    def __init__(self, url: str, options: Mapping[str, Any], topic: str) -> None:
        self._topic = topic
        self._follower = Follower(url, options, [topic], since_ms=None)
        servers = consumer_options(url, "", options)["bootstrap_servers"]
        self._options = {**options, "bootstrap_servers": servers, "client_id": "touchline-cheatwatch"}
        self._producer: AIOKafkaProducer
        self._order = asyncio.Lock()
        self.skipped = 0
        """Records that are no verdicts."""

    async def __aenter__(self) -> Self:
        await self._follower.__aenter__()
        try:
            if self._follower.missing:
                raise OperatorError(
                    f"Kafka has no topic {self._topic}, or hides it from this user: "
                    "make it, with `touchline topics --create`"
                )
            self._producer = AIOKafkaProducer(**self._options, acks="all", enable_idempotence=True, linger_ms=0)
            self._producer._message_accumulator._pending_batches = _Batches()
            await self._producer.start()
        except BaseException:
            await self._follower.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._producer.stop()
        except OUTAGES as problem:
            _log.warning("%s was left without a word: %s", self._topic, in_words(problem))
        await self._follower.__aexit__(kind, error, trace)

    async def current(self) -> list[tuple[str, VerdictRecord]]:
        """See `sources.VerdictLog`."""
        found: list[tuple[str, VerdictRecord]] = []
        while not self._follower.known_ms:
            found += await self.poll()
        return found

    async def poll(self) -> list[tuple[str, VerdictRecord]]:
        """See `sources.VerdictLog`."""
        found = []
        for one in await self._follower.poll():
            if isinstance(one, Lost):
                continue  # what is left of a compacted topic has each player's newest verdict
            try:
                found.append(decode_verdict(one.record.key, one.record.value))
            except BadRecord as error:
                self.skipped += 1
                _log.warning("%s, offset %d, is passed over: %s", self._topic, one.record.offset, error)
        return found

    async def write(self, verdicts: Sequence[tuple[str, VerdictRecord]]) -> None:
        """See `sources.VerdictLog`.

        Raises:
            LogUnavailable: Kafka refused one. While it is away, it is waited for.
        """
        try:
            async with self._order:
                sent = [
                    await self._producer.send(
                        self._topic, encode_verdict(verdict), player.encode(), headers=VERDICT_HEADERS
                    )
                    for player, verdict in verdicts
                ]
            await asyncio.gather(*sent)
        except OUTAGES as error:
            raise LogUnavailable(f"a verdict could not be written to {self._topic}: {in_words(error)}") from error
