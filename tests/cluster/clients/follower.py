"""What a client has to do with the messages of a room, written from the specification: "Following a room"."""

import time
from collections.abc import Mapping
from typing import Any

from touchline_loadtest.checks.trace import Gap, Joined, Received, Refused, Skipped, Trace
from touchline_protocol.messages import RoomRequest


class Follower:
    """One room of one client, over all of its connections. ``joined``: the server has answered on this connection."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.joined = False
        self._presented: tuple[str, int] | None = None
        self._live = False
        self._epoch: str | None = None
        self._cursor = -1
        self._covered = -1

    @property
    def cursor(self) -> tuple[str, int] | None:
        """Where to resume."""
        return None if self._epoch is None else (self._epoch, self._cursor)

    def request(self) -> RoomRequest:
        """What to subscribe with on a new connection."""
        self.joined = False
        epoch, after = self.cursor or (None, None)
        self.present(self.cursor)
        return RoomRequest(room=self.trace.room, epoch=epoch, after=after, deliver=self.trace.deliver)

    def present(self, cursor: tuple[str, int] | None) -> None:
        """Note the cursor that this connection presents."""
        self._presented = cursor
        self._live = False

    def receive(self, message: Mapping[str, Any]) -> bool:
        """Process a message of the room. Returns False if the client has to reconnect."""
        match message["type"]:
            case "subscribed":
                self._subscribed(message)
            case "event":
                return self._event(message)
            case "skipped":
                self.trace.add(Skipped(message["from"], message["to"], message["count"]))
                self._covered = max(self._covered, message["to"])
            case "error" if message["code"] != "unavailable":
                self.trace.add(Refused(message["code"]))
            case _:
                pass
        return True

    def _subscribed(self, message: Mapping[str, Any]) -> None:
        self.joined = True
        state = {event["key"]: _number(event) for event in message.get("state", [])}
        recovered, complete = message["recovered"], bool(message.get("state_complete", True))
        self._epoch = message["epoch"]
        if recovered:
            self._covered = self._cursor
        else:
            self._cursor = self._covered = message["head"]
        after = None if self._live else self._presented
        at_ms = time.time() * 1000
        self.trace.add(
            Joined(message["epoch"], message["head"], recovered, state, after, complete, live=self._live, at_ms=at_ms)
        )
        self._live = True

    def _event(self, message: Mapping[str, Any]) -> bool:
        offset, prev = message["offset"], message["prev"]
        if prev is not None and offset > self._cursor and prev > self._covered:
            self.trace.add(Gap(prev, self._covered))
            return False
        self._epoch = message.get("epoch", self._epoch)
        key, removal = message.get("key"), message["data"] is None
        self.trace.add(Received(self._epoch or "", offset, prev, _number(message), key, removal))
        self._cursor = max(self._cursor, offset)
        self._covered = max(self._covered, offset)
        return True


def _number(event: Mapping[str, Any]) -> int:
    """The number of an event: producers write it into the data, and use it as the timestamp."""
    return int(event["ts"] if event["data"] is None else event["data"]["number"])
