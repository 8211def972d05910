"""The demo's readers of its own log. Other programs read these topics from Kafka, with `touchline.actions` and
cheatwatch; here the same interfaces are implemented on the log events that the node receives.

Each reader is one of the node's observers and keeps what it was handed until somebody asks for it. It is bounded: if
nobody asks, it drops the oldest. Apart from that it keeps the rules of the interface that it implements.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Generic, Self, TypeAlias, TypeVar

from touchline.actions import LOOK_BACK_S, Action, action_of
from touchline.actions.dedup import Dedup
from touchline_cheatwatch.event_names import event_name
from touchline_cheatwatch.rooms import Event
from touchline_cheatwatch.sources import EventsLost, RoomEvent
from touchline_cheatwatch.types import Decision
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_record
from touchline_protocol.tracing.traceparent import traceparent_headers
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, decode_verdict, encode_verdict
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import Entry, LogEvent, Records

KEPT_MAX = 10_000
"""How much can wait to be read. For actions: what 300 players can do in a second within the edge's rate limit."""

POLL_S = 0.05
"""How long a poll waits for something. In between, cheatwatch judges the actions that waited for events."""

T = TypeVar("T")

Append: TypeAlias = Callable[[str, Sequence[Entry]], Awaitable[object]]
"""Appends records to a topic of the log."""


class Mailbox(Generic[T]):
    """What was put in and not yet taken, in order."""

    def __init__(self) -> None:
        self._kept: deque[T] = deque(maxlen=KEPT_MAX)
        self._some = asyncio.Event()

    def put(self, item: T) -> None:
        """Put something in."""
        self._kept.append(item)
        self._some.set()

    async def take(self, items_max: int = KEPT_MAX, *, alike: Callable[[T], object] = lambda _: None) -> list[T]:
        """Wait until there is something; take at most ``items_max`` items from the front with the same ``alike``."""
        await self._some.wait()
        taken = [self._kept.popleft()]
        while self._kept and len(taken) < items_max and alike(self._kept[0]) == alike(taken[0]):
            taken.append(self._kept.popleft())
        if not self._kept:
            self._some.clear()
        return taken

    async def poll(self) -> list[T]:
        """Take what is there within `POLL_S`, if anything."""
        try:
            async with asyncio.timeout(POLL_S):
                await self._some.wait()
        except TimeoutError:
            return []
        return await self.take()


class OwnActions:
    """Implements `touchline.actions.ActionSource`: players' actions, each once."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._mailbox: Mailbox[Action] = Mailbox()
        self._dedups: dict[int, Dedup] = {}
        self.skipped = 0
        self.duplicates = 0

    @property
    def lags(self) -> Mapping[int, int]:
        """Not known: what waits is what the same process has just appended."""
        return {}

    def observe(self, event: LogEvent) -> None:
        """Receive a log event."""
        if not isinstance(event, Records) or event.topic != self._topic:
            return
        for record in event.records:
            self._take(record, event.partition)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __aiter__(self) -> AsyncIterator[Action]:
        return self

    async def __anext__(self) -> Action:
        return (await self._mailbox.take(1))[0]

    async def batch(self, actions_max: int = 1000) -> list[Action]:
        """The next actions: at least one, at most ``actions_max``, all of one partition."""
        return await self._mailbox.take(actions_max, alike=lambda action: action.partition)

    def processed(self) -> None:
        """Nothing is committed, because nothing outlives the process."""

    def _take(self, record: Record, partition: int) -> None:
        try:
            action = action_of(record, partition)
        except BadRecord:
            self.skipped += 1
            return
        dedup = self._dedups.setdefault(partition, Dedup(round(LOOK_BACK_S * 1000)))
        if dedup.is_new(action, record.timestamp):
            self._mailbox.put(action)
        else:
            self.duplicates += 1


class OwnEvents:
    """Implements cheatwatch's `EventSource` for some feeds. The log begins with the process, so no event is missed."""

    def __init__(self, feeds: Mapping[str, FeedSettings]) -> None:
        self._feeds = {feed.topic: (name, feed.key_field) for name, feed in feeds.items()}
        self._mailbox: Mailbox[RoomEvent | EventsLost] = Mailbox()
        self.known_s: float | None = None

    def observe(self, event: LogEvent) -> None:
        """Receive a log event."""
        if not isinstance(event, Records) or event.topic not in self._feeds:
            return
        feed, key_field = self._feeds[event.topic]
        for record in event.records:
            try:
                parsed = parse_record(record, key_field)
            except BadRecord:
                continue
            happened = Event(record.offset, record.timestamp, event_name(parsed.key, parsed.value))
            self._mailbox.put(RoomEvent(f"{feed}:{parsed.room_id}", happened, complete=True))

    async def poll(self) -> Sequence[RoomEvent | EventsLost]:
        """The next events, if any arrive within `POLL_S`."""
        events = await self._mailbox.poll()
        self.known_s = time.monotonic()
        return events


class OwnVerdicts:
    """Implements cheatwatch's `VerdictLog`. The topic is empty when the process begins."""

    def __init__(self, topic: str, append: Append) -> None:
        self._topic = topic
        self._append = append
        self._mailbox: Mailbox[tuple[str, VerdictRecord]] = Mailbox()

    def observe(self, event: LogEvent) -> None:
        """Receive a log event."""
        if not isinstance(event, Records) or event.topic != self._topic:
            return
        for record in event.records:
            try:
                self._mailbox.put(decode_verdict(record.key, record.value))
            except BadRecord:
                continue  # the node already counts and logs it

    async def current(self) -> Sequence[tuple[str, VerdictRecord]]:
        """The verdicts in force."""
        return ()

    async def poll(self) -> Sequence[tuple[str, VerdictRecord]]:
        """The next verdicts, if any arrive within `POLL_S`."""
        return await self._mailbox.poll()

    async def write(self, verdicts: Sequence[Decision]) -> None:
        """Write verdicts in order; returns once they are in the log."""
        entries = [
            Entry(player.encode(), encode_verdict(verdict), [*VERDICT_HEADERS, *traceparent_headers(traceparent)])
            for player, verdict, traceparent in verdicts
        ]
        await self._append(self._topic, entries)
