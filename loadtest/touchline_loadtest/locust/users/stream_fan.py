"""A fan whose page reads one room as server-sent events."""

import time
from typing import ClassVar
from urllib.parse import urlsplit

import gevent
from locust.env import Environment

from touchline.errors import ConnectionFailed, Unreachable
from touchline_loadtest.locust.connection.event_stream import EventStream, open_event_stream
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.observer import Observer
from touchline_protocol.codecs import JSON
from touchline_protocol.codes import ABNORMAL, NORMAL
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver, RoomRequest, Subscribe

from .base import TouchlineUser

RETRY_S = 3.0
"""How long a browser waits before it connects again, where the server has not said."""


class StreamFan(TouchlineUser):
    """Reads one room as a browser's EventSource does, and comes back with ``Last-Event-ID``."""

    weight = 10
    deliver: ClassVar[Deliver] = "all"
    event_row = rows.EVENT_STREAM

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.room = self.choice.choose(1, self.random)[0]
        self._last_event_id = ""
        self._stream: EventStream | None = None
        self._was_cut = False

    def visit(self) -> None:
        """One visit."""
        reader = gevent.spawn(self._read, self.new_observer())
        try:
            self.pause(self.stay_s())
        finally:
            reader.kill()
        reader.get()

    def cut(self) -> None:
        """Lose the connection, without a close."""
        if self._stream is not None:
            self._was_cut = True
            self._stream.cut()

    def _read(self, observer: Observer) -> None:
        """Read, and come back after each end, as long as the server does not refuse for good."""
        retry_s = RETRY_S
        while True:
            now_s = time.monotonic()
            self._ask(observer, now_s)
            try:
                token = self.token() if self.option("token_secret") else None
                stream = open_event_stream(
                    self._base(), self.room, deliver=self.deliver, last_event_id=self._last_event_id, token=token
                )
            except ConnectionFailed as failure:
                observer.connect_failed(time.monotonic(), failure)
                if not isinstance(failure, Unreachable):
                    return
            else:
                observer.served(time.monotonic())
                self._follow(stream, observer)
                retry_s = RETRY_S if stream.retry_ms is None else stream.retry_ms / 1000
            gevent.sleep(retry_s)

    def _ask(self, observer: Observer, now_s: float) -> None:
        """A request for a stream is a subscribe."""
        observer.connecting(now_s)
        observer.connected(now_s)
        cursor = Cursor.parse(self._last_event_id) if self._last_event_id else None
        epoch, after, _ = (None, None, None) if cursor is None else cursor
        observer.sent(Subscribe([RoomRequest(self.room, epoch, after, deliver=self.deliver)]))

    def _follow(self, stream: EventStream, observer: Observer) -> None:
        """Read the stream to its end."""
        self._stream, self._was_cut = stream, False
        decoded = self.process.decoded[JSON.name]
        code, by_us = NORMAL.code, True
        try:
            while True:
                blocks = stream.read()
                observer.arrived(time.monotonic(), time.time_ns())
                for block in blocks:
                    observer.received(decoded.decode(block.data.encode()), len(block.data))
                self._last_event_id = stream.last_event_id
        except (OSError, EOFError):
            code, by_us = stream.close_code or ABNORMAL.code, self._was_cut
        finally:
            observer.closed(code, by_us=by_us)
            self._stream = None
            stream.close()

    def _base(self) -> str:
        parts = urlsplit(self.url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
