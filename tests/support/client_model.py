"""A model of a client for tests: it follows the specification, and checks everything that it receives."""

import zlib
from typing import Any

from support.event_source import EventSourceParser
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Trace
from touchline_protocol.codecs import JSON, Codec
from touchline_protocol.cursor import Cursor
from touchline_protocol.frames import RSV1, payload_of, split_frames
from touchline_protocol.messages import (
    Event,
    Members,
    MembersChanged,
    Occupancy,
    Replayed,
    ServerMessage,
    Skipped,
    Subscribed,
)
from touchline_protocol.server_codecs import EVENT_STREAM


def messages_in(data: bytes, codec: Codec) -> list[ServerMessage]:
    """The messages in data that a server wrote: whole frames, or whole blocks of an event stream."""
    if codec is EVENT_STREAM:
        return messages_in_stream(data)
    return [codec.decode_server(inflated(frame)) for frame in split_frames(data)]


def inflated(frame: bytes) -> bytes:
    """The payload of a frame, after decompression."""
    payload = payload_of(frame)
    return zlib.decompress(payload + b"\x00\x00\xff\xff\x03\x00", -15) if frame[0] & RSV1 else payload


def messages_in_stream(data: bytes) -> list[ServerMessage]:
    """The messages in whole blocks of an event stream. Checks that each block's id is the cursor to resume from."""
    messages = []
    for block in EventSourceParser().feed(data):
        message = JSON.decode_server(block.data.encode())
        is_presence = isinstance(message, Occupancy | Members | MembersChanged)
        assert block.type == (message.__struct_config__.tag if is_presence else "message")
        if isinstance(message, Event):
            assert block.id is not None
            assert Cursor.parse(block.id).offset == message.offset
        elif isinstance(message, Subscribed) and not message.recovered and message.after is None:
            assert block.id == str(Cursor(message.epoch, message.head, message.ts))
        elif isinstance(message, Replayed):
            assert block.id is not None
            assert Cursor.parse(block.id).offset == message.to
        else:
            assert block.id is None, "a cursor ahead of the events that were sent"
        messages.append(message)
    return messages


class RoomView:
    """A client's view of one room. An assertion fails as soon as the server breaks a rule: see `checks.live_check`.

    ``events`` are those since the last start over, ``starts`` the heads of all starts, and ``first`` the offset that
    the client began at. ``state`` has the data of each key.
    """

    def __init__(self, after: int | None = None, epoch: str | None = None) -> None:
        cursor = None if after is None or epoch is None else (epoch, after)
        # The tests compare data themselves. Not all of them know whether events may be skipped, so all may.
        trace = Trace("a client", "a room", "latest")
        self._follower = RoomFollower(trace, lambda event: 0, after=cursor, restarts=True)
        self.first = -1 if after is None else after
        self.starts: list[int] = []
        self.events: list[Event] = []
        self.skipped = 0
        self.state: dict[str, Any] = {}
        self.before: list[Event] = []
        """The events that the client had before it came back with a cursor, unless it started over."""

    @property
    def joined(self) -> bool:
        return self._follower.live.joined

    @property
    def epoch(self) -> str | None:
        return self._follower.live.epoch

    @property
    def last(self) -> int | None:
        """The offset to resume from."""
        return None if self.epoch is None else self._follower.live.offset

    def resumed(self, after: int) -> "RoomView":
        """The view of a client that comes back with an older cursor of this one."""
        view = RoomView(after, self.epoch)
        view.before = [event for event in (*self.before, *self.events) if event.offset <= after]
        return view

    def take(self, message: ServerMessage) -> None:
        if not isinstance(message, Subscribed | Skipped | Event):
            return
        breach = self._follower.receive(message)
        assert breach is None, breach
        match message:
            case Subscribed(recovered=False):
                self._start_over(message)
            case Skipped():
                self.skipped += message.count
            case Event():
                self._event(message)

    def _start_over(self, message: Subscribed) -> None:
        self.starts.append(message.head)
        self.events.clear()
        self.before.clear()
        self.skipped = 0
        self.state = {event.key: event.data for event in message.state if event.key is not None}

    def _event(self, event: Event) -> None:
        self.events.append(event)
        if event.key is not None:
            if event.data is None:
                self.state.pop(event.key, None)
            else:
                self.state[event.key] = event.data
