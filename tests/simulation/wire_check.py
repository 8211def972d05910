"""Checks each message that an edge sends on one connection, before the SDK's session makes anything of it.

The session forgives what a server must not do, such as sending an event twice. This check does not.
"""

from collections.abc import Mapping
from functools import lru_cache

from touchline_loadtest.checks import trace
from touchline_loadtest.checks.live_check import LiveCheck
from touchline_protocol.codecs import CODECS, Codec
from touchline_protocol.codes import NOT_SUBSCRIBED, UNAVAILABLE
from touchline_protocol.messages import Error, Event, ServerMessage, Skipped, Subscribed, Unsubscribed

from .findings import Findings
from .room_check import RoomCheck

EXPECTED_ERRORS = {UNAVAILABLE.code, NOT_SUBSCRIBED.code}
"""What clients here may be answered: a topic is not read yet, or a room was refused before the client left it."""


def _item(message: ServerMessage) -> trace.Item | None:
    """What a connection alone shows of a message: neither the cursor of a resume nor, so, what ``prev`` has to be."""
    match message:
        case Event(offset=offset):
            return trace.Received("", offset, None, 0)
        case Subscribed():
            begin = message.head if message.after is None else message.after
            head = -1 if message.recovered else begin
            return trace.Joined(message.epoch, head, recovered=False)
        case Skipped():
            return trace.Skipped(message.from_, message.to, message.count)
    return None


def _decode(codec: Codec, payload: bytes) -> tuple[ServerMessage, trace.Item | None]:
    message = codec.decode_server(payload)
    return message, _item(message)


_DECODERS = {codec: lru_cache(maxsize=1024)(lambda payload, codec=codec: _decode(codec, payload)) for codec in CODECS}
"""Most clients are sent the same messages, which are decoded once for all of their checks."""


class WireCheck:
    """One connection after the other. ``rooms`` has what the user follows now."""

    def __init__(self, findings: Findings, client: int, rooms: Mapping[str, RoomCheck], codec: Codec) -> None:
        self._findings = findings
        self._client = client
        self._rooms = rooms
        self._decode = _DECODERS[codec]
        self._checks: dict[str, LiveCheck] = {}

    def connected(self) -> None:
        """Another connection begins."""
        self._checks.clear()

    def take(self, payload: bytes) -> None:
        """The next message."""
        message, item = self._decode(payload)
        match message:
            case Event() | Subscribed() | Skipped():
                assert item is not None
                self._check(message.room, item)
            case Unsubscribed():
                self._checks.pop(message.room, None)
            case Error():
                self._error(message)

    def _check(self, room: str, item: trace.Item) -> None:
        check = self._checks.get(room)
        if check is None:
            check = self._checks[room] = LiveCheck(f"client {self._client}", room, "latest", restarts=True)
        breach = check.take(item)
        if breach is not None:
            self._findings.add(f"{breach} (on the wire)")
        if isinstance(item, trace.Skipped) and room in self._rooms:
            self._rooms[room].named(item)

    def _error(self, message: Error) -> None:
        if message.code not in EXPECTED_ERRORS:
            self._findings.add(f"client {self._client} was sent, in {message.room}: error {message.code}")
        elif message.room is not None:
            self._checks.pop(message.room, None)
