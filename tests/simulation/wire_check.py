"""Checks each message that an edge sends on one connection, before the SDK's session makes anything of it.

The session forgives what a server must not do, such as sending an event twice. This check does not.
"""

from collections.abc import Mapping

from touchline_protocol.codes import NOT_SUBSCRIBED, UNAVAILABLE
from touchline_protocol.messages import Error, Event, ServerMessage, Skipped, Subscribed, Unsubscribed

from .findings import Findings
from .room_check import RoomCheck

EXPECTED_ERRORS = {UNAVAILABLE.code, NOT_SUBSCRIBED.code}
"""What clients here may be answered: a topic is not read yet, or a room was refused before the client left it."""


class WireCheck:
    """One connection after the other. ``rooms`` has what the user follows now."""

    def __init__(self, findings: Findings, client: int, rooms: Mapping[str, RoomCheck]) -> None:
        self._findings = findings
        self._client = client
        self._rooms = rooms
        self._offsets: dict[str, int] = {}

    def connected(self) -> None:
        """Another connection begins."""
        self._offsets.clear()

    def take(self, message: ServerMessage) -> None:
        """The next message."""
        match message:
            case Event():
                before = self._offsets.get(message.room)
                if before is None:
                    self._found(f"event {message.offset} before subscribed", message.room)
                elif message.offset <= before:
                    self._found(f"event {message.offset} after {before}", message.room)
                self._offsets[message.room] = message.offset
            case Subscribed():
                self._offsets[message.room] = -1 if message.recovered else message.head
            case Unsubscribed():
                self._offsets.pop(message.room, None)
            case Skipped():
                self._skipped(message)
            case Error():
                self._error(message)

    def _skipped(self, message: Skipped) -> None:
        if message.room not in self._offsets:
            self._found("skipped before subscribed", message.room)
        check = self._rooms.get(message.room)
        if check is not None:
            check.named.append((message.from_, message.to))

    def _error(self, message: Error) -> None:
        if message.code not in EXPECTED_ERRORS:
            self._found(f"error {message.code}", message.room)
        elif message.room is not None:
            self._offsets.pop(message.room, None)

    def _found(self, text: str, room: str | None) -> None:
        self._findings.add(f"client {self._client} was sent, in {room}: {text}")
