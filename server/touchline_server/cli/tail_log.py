"""``touchline tail --log``: a room's events straight from the log, without a server.

It is a client of an edge core of its own, which reads the room's feed alone. Rules:

1. It prints what an edge that starts now would send: the state as built from the log's window, then new events.
2. A cursor is honoured as long as the log holds what follows it, however far back that is: nobody else has to wait.
3. If it cannot go on without a loss it says so, and starts over from the state.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

import msgspec

import touchline
from touchline.dispatcher import STARTING_OVER
from touchline.session.seen import Replay, SeenEvents
from touchline_protocol import codes
from touchline_protocol.codecs import JSON, RAW_JSON
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import OperatorError
from touchline_protocol.frames import payload_of, split_frames
from touchline_protocol.messages import (
    Error,
    Event,
    Hello,
    Message,
    Replayed,
    RoomRequest,
    ServerMessage,
    Subscribe,
    Subscribed,
)
from touchline_protocol.rooms import split_room
from touchline_server.config.settings import Settings
from touchline_server.config.suggestions import unknown_feed
from touchline_server.config.values import COUNT_MAX, milliseconds
from touchline_server.core.clients.client import Client
from touchline_server.core.edge import EdgeCore
from touchline_server.core.effects import Notice
from touchline_server.core.log import Log, LogEvent, ReadRefused, TopicMissing, UnknownTopic
from touchline_server.core.rooms.old_records import Skip
from touchline_server.edge.driver import Driver, Peer
from touchline_server.edge.replayer import Replayer
from touchline_server.log.open import SQLITE, make_log, room_store
from touchline_server.node.core_factory import make_core
from touchline_server.node.parts import until_failed

from .tail_output import Printer

RETRY_S = 0.5
"""Between two attempts to join while the log does not answer."""

SKIPS_REPORTED_MAX = 10
"""Records that make no event are reported, up to this number: a producer gone wrong must not drown the rest."""

logger = logging.getLogger("touchline.tail")


def open_log_tail(settings: Settings, printer: Printer, room: str, after: Cursor | None, last: int) -> "LogTail":
    """The tail of a room in the log that ``settings`` name.

    Raises:
        OperatorError: the feed or the log does not exist.
    """
    feed, _ = split_room(room)
    if feed not in settings.feeds:
        raise OperatorError(unknown_feed(feed, settings.feeds))
    if settings.log == SQLITE:
        raise OperatorError("sqlite:// is a log in memory, and this command's would be empty: tail its server")
    alone = {"feeds": {feed: settings.feeds[feed]}, "replay_records_max": COUNT_MAX}
    return LogTail(settings.model_copy(update=alone), make_log(settings, only_read=True), printer, room, after, last)


class LogTail:
    """One room's events, from the log to the printer. It is the connection of its core's only client."""

    def __init__(
        self, settings: Settings, log: Log, printer: Printer, room: str, after: Cursor | None, last: int
    ) -> None:
        self._settings = settings
        self._log = log
        self._printer = printer
        self._room = room
        self._after = after
        self._last = last
        store = room_store(log)
        self._core: EdgeCore[Peer] = make_core(settings, log.partition_of, stored=store is not None)
        self._replayer = Replayer(log, store, self._report)
        self._driver: Driver | None = None
        self._client: Client[Peer] | None = None
        self._epoch: str | None = None
        self._replay: Replay | None = None
        self._problems: dict[str, str] = {}
        self._skips = 0

    async def run(self) -> None:
        """Print until cancelled.

        Raises:
            OperatorError: the log cannot be opened, or the topic does not exist.
        """
        driver = self._driver = Driver(self._core, ask=self._replayer.ask, append=lambda: None)
        self._replayer.start(driver)
        driver.start()
        reading = asyncio.ensure_future(self._read(driver))
        try:
            await until_failed([reading, driver.failure])
        finally:
            driver.stop()
            reading.cancel()
            await asyncio.wait([reading])
            await self._replayer.stop()
            await self._log.close()

    async def _read(self, driver: Driver) -> None:
        (topic,) = (opened.feed.topic for opened in self._core.hub.feeds.values())
        now_ms = time.time_ns() // 1_000_000
        await self._log.open([topic], since_ms=now_ms - milliseconds(self._settings.window_s))
        while True:
            for event in await self._log.poll():
                self._take(event, driver)
            driver.flush()
            if self._client is None and all(opened.ready for opened in self._core.hub.feeds.values()):
                self._client = self._core.opened(self, JSON, self._write)
                self._send(Hello())
                self._join()
            self._report_problems()

    def close(self, code: codes.CloseCode) -> None:
        """The core closes the connection: what follows the cursor is gone."""
        raise OperatorError(f"{self._room}: {code.meaning}")

    def abort(self, why: str = "") -> None:
        """There is no connection that could be cut."""

    def last_ack_ms(self) -> None:
        """There is no socket."""

    def report(self, notice: Notice[Peer]) -> None:
        """What the core tells a client is printed anyway."""

    def serve_turn(self) -> None:
        """There is no input that could wait."""

    def _take(self, event: LogEvent, driver: Driver) -> None:
        if isinstance(event, ReadRefused):
            text = f"the topic {event.topic}: {event.why}"
            if self._client is None:
                raise OperatorError(text)
            logger.warning("%s", text)
        if isinstance(event, TopicMissing):
            cure = "touchline topics --create, with the same --log and --config, creates it"
            text = f"the topic {event.topic} does not exist: {cure}"
            if self._client is None:
                raise UnknownTopic(text)
            logger.warning("%s", text)
        self._report(self._core.log_event(event, driver.now()).skips)

    def _join(self) -> None:
        epoch, after, ts = (None, None, None) if self._after is None else self._after
        self._send(Subscribe(rooms=[RoomRequest(room=self._room, epoch=epoch, after=after, last=self._last, ts=ts)]))

    def _send(self, message: Message) -> None:
        driver, client = self._driver, self._client
        assert driver is not None  # noqa: S101 - `run` made both
        assert client is not None  # noqa: S101
        driver.perform(self._core.received(client, JSON.encode(message), driver.now()))

    def _write(self, data: bytes) -> None:
        for frame in split_frames(data):
            self._print(RAW_JSON.decode_server(payload_of(frame)))

    def _print(self, message: ServerMessage) -> None:
        match message:
            case Subscribed():
                starts_over = self._epoch is not None or self._after is not None
                self._epoch = message.epoch
                self._replay = None
                self._printer.joined(self._room, self._after, self._last)
                if message.after is not None and self._after is not None:
                    self._replay = Replay(message, SeenEvents(), self._after.ts)
                elif not message.recovered:
                    self._print_start(message, starts_over=starts_over)
            case Event() if self._replay is not None and not self._replay.known:
                self._replay.take(message)
            case Replayed():
                self._end_replay()
            case Event():
                self._epoch = message.epoch or self._epoch
                self._printer.event(self._event(message))
            case Error(code=codes.UNAVAILABLE.code):
                logger.warning("%s: %s; trying again", self._room, message.message)
                asyncio.get_running_loop().call_later(RETRY_S, self._join)
            case Error():
                raise OperatorError(f"{self._room}: {message.message}")

    def _end_replay(self) -> None:
        """The end of a search in another log for the event of the cursor: if it is not there, the room starts over."""
        replay, self._replay = self._replay, None
        if replay is not None and not replay.known:
            self._print_start(replay.answer, starts_over=True)
            for event in replay.held:
                if event.offset > replay.answer.head:
                    self._printer.event(self._event(event))

    def _print_start(self, message: Subscribed, *, starts_over: bool) -> None:
        if starts_over:
            logger.warning(STARTING_OVER, self._room)
        self._printer.state(map(self._event, message.state), Cursor(message.epoch, message.head))
        for event in message.recent:
            self._printer.event(self._event(event))

    def _event(self, event: Event) -> touchline.Event:
        """An event as the SDK hands it out without decoding its data."""
        assert self._epoch is not None  # noqa: S101 - events follow `subscribed`
        data = bytes(event.data) if isinstance(event.data, msgspec.Raw) else event.data
        return touchline.Event(event.room, event.offset, event.key, event.ts, data, self._epoch, event.traceparent)

    def _report_problems(self) -> None:
        problems = dict(self._log.problems)
        for what, problem in problems.items():
            if self._problems.get(what) != problem:
                logger.warning("%s: %s", what, problem)
        self._problems = problems

    def _report(self, skips: Sequence[Skip]) -> None:
        for skip in skips:
            self._skips += 1
            if self._skips <= SKIPS_REPORTED_MAX:
                where = f"{skip.topic}[{skip.partition}]@{skip.offset}"
                logger.warning("%s skipped, %s: %s", where, skip.reason, skip.message)
