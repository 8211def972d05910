"""A player with the Python SDK, and a reader of actions as cheat detectors have, who note what the checker compares."""

import asyncio
import time
from collections.abc import Iterable

import jwt
import msgspec

import touchline
from touchline import actions
from touchline.errors import ActionRefused, TouchlineError
from touchline_loadtest.checks.actions import UNANSWERED, Acted, ActionEntry, LoggedAction
from touchline_protocol.actions import ActionRecord
from touchline_protocol.codecs import CodecName

BACKOFF = touchline.Backoff(0.2, 2.0)
"""Short, so that clients come back while what they were cut off from is still just starting."""


class SdkPlayer:
    """One player in one room. Its actions are numbered, by the caller; ``acted`` has what became of each."""

    def __init__(self, name: str, room: str, secret: str, codec: CodecName = "json") -> None:
        self.name = name
        self.acted: list[Acted] = []
        self._room = room
        self._secret = secret
        self._codec = codec

    def client(self, url: str, *, actions_buffer_max: int) -> touchline.Client:
        """A client, not yet connected, that may act everywhere."""
        claims = {"sub": self.name, "act": ["*"], "rooms": ["*"], "exp": int(time.time()) + 3600}
        return touchline.connect(
            url,
            token=jwt.encode(claims, self._secret, algorithm="HS256"),
            codec=self._codec,
            retry_first=True,
            proxy=False,
            backoff=BACKOFF,
            actions_buffer_max=actions_buffer_max,
        )

    async def act(
        self, client: touchline.Client, number: int, kind: str = "tap", **fields: float
    ) -> TouchlineError | None:
        """Act, and note the outcome. Returns the error, if it is not an acknowledgement."""
        acted = Acted(self.name, number, UNANSWERED, time.time() * 1000, room=self._room, kind=kind)
        self.acted.append(acted)
        try:
            receipt = await client.act(self._room, kind, {"number": number, **fields})
        except ActionRefused as error:
            self.acted.append(acted._replace(code=error.code))
            return error
        except TouchlineError as error:
            return error
        self.acted.append(acted._replace(code="", session=receipt.session, id=receipt.id))
        return None


class SdkActionReader:
    """Reads actions from the beginning of a topic. ``seen`` has what was handed out, without the player ``end``.

    ``duplicates`` counts the records that the SDK dropped.
    """

    def __init__(self, address: str, topic: str, group: str, *, end: str = "") -> None:
        self.seen: list[ActionEntry] = []
        self.started = asyncio.Event()
        self.ends = 0
        self.duplicates = 0
        self._source = actions.read(f"kafka://{address}", group=group, topic=topic, start="beginning")
        self._end = end

    async def read(self, ends_max: int | None = None) -> None:
        """Read until cancelled, or until the player ``end`` has acted ``ends_max`` times."""
        async with self._source as source:
            self.started.set()
            async for action in source:
                if action.player != self._end:
                    number = action.data["number"]
                    self.seen.append(
                        ActionEntry(action.player, action.session, action.id, action.kind, number, action.room)
                    )
                    continue
                self.ends += 1
                if self.ends == ends_max:
                    break
            self.duplicates = source.duplicates


def logged_actions(records: Iterable[ActionRecord]) -> list[LoggedAction]:
    """The log of numbered actions, for the checker."""
    return [
        LoggedAction(
            ActionEntry(
                record.player,
                record.session,
                record.id,
                record.kind,
                int(msgspec.json.decode(record.data)["number"]),
                record.room,
            )
        )
        for record in records
    ]
