"""A client of the TypeScript SDK in a page of a real browser, which writes a trace of each room for the checker.

`SdkPage` needs nothing of the browser but a way to run a function in the page, so it works in all of them.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from support.waiting import DEADLINE_S
from touchline_loadtest.checks.trace import Gap, Joined, Received, Settled, Shown, Trace
from touchline_loadtest.checks.values import value_of
from touchline_protocol.messages import Deliver

POLL_S = 0.02
READY = "() => typeof sdk === 'object'"


class JavaScript(Protocol):
    """A page of a browser."""

    async def evaluate(self, function: str, argument: Any = None, /) -> Any:
        """Call a JavaScript function in the page, and return its result, or what its promise resolves to."""


class SdkPage:
    """The page ``sdk_page.html``, which has been opened.

    ``is_timed``: an event's timestamp is part of its value, as it is for `support.kafka_truth`. ``statuses`` and
    ``verdicts`` have what the client has reported so far.
    """

    def __init__(self, page: JavaScript, name: str = "a page", *, is_timed: bool = False) -> None:
        self._page = page
        self._name = name
        self._is_timed = is_timed
        self.traces: dict[str, Trace] = {}
        self.statuses: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []

    async def connect(self, port: int, **options: Any) -> None:
        """Connect to an edge, or to a relay in front of it."""
        await self._until_ready()
        await self._call("connect", {"url": f"ws://127.0.0.1:{port}/ws", **options})

    async def follow(self, room: str, deliver: Deliver = "all", **options: Any) -> Any:
        """Follow a room, and return the events of the state that the storage had of it.

        The trace goes on if the page was loaded again since.
        """
        self.traces.setdefault(room, Trace(self._name, room, deliver, shows_skips=False))
        return await self._call("follow", {"room": room, "deliver": deliver, **options})

    async def act(self, room: str, kind: str, data: Any = None) -> Any:
        """Act, and return the receipt, or the name and the code of the error."""
        return await self._call("act", {"room": room, "kind": kind, "data": data})

    async def room(self, room: str) -> Any:
        return await self._call("room", room)

    async def until(self, condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
        """Wait until ``condition()`` is true of what the client has reported."""
        async with asyncio.timeout(timeout_s):
            await self.collect()
            while not condition():
                await asyncio.sleep(POLL_S)
                await self.collect()

    async def until_status(self, **fields: Any) -> None:
        """Wait until the newest status has these fields."""
        await self.until(lambda: self.statuses and fields.items() <= self.statuses[-1].items())

    async def until_joined(self, room: str) -> None:
        await self.until(lambda: any(isinstance(item, Joined) for item in self.traces[room].items))

    async def until_offset(self, room: str, offset: int) -> None:
        """Wait until the client has read the room this far."""
        async with asyncio.timeout(DEADLINE_S):
            while offset_of((await self.room(room))["cursor"]) < offset:  # noqa: ASYNC110 - the page cannot call
                await asyncio.sleep(POLL_S)

    async def settle(self, room: str) -> Trace:
        """The client claims to have everything that the log has: its trace, with the state that it shows."""
        await self.collect()
        trace, shown = self.traces[room], await self.room(room)
        trace.add(Shown(epoch_of(shown["cursor"]), offset_of(shown["cursor"]), self._state(shown["state"])))
        trace.add(Settled())
        return trace

    async def collect(self) -> None:
        """Note what has happened. Do it before the page is loaded again, or ends."""
        for report in await self._call("take"):
            self._note(report["what"], report["value"])

    def _note(self, what: str, value: dict[str, Any]) -> None:
        match what:
            case "status":
                self.statuses.append(value)
            case "verdict":
                self.verdicts.append(value)
            case "joined":
                if not value["recovered"]:
                    self.traces[value["room"]].add(self._joined(value))
            case "gap":
                self.traces[value["room"]].add(Gap(None, offset_of(value["cursor"])))
            case "event":
                self.traces[value["room"]].add(self._received(value))

    def _joined(self, joined: dict[str, Any]) -> Joined:
        cursor, state = joined["cursor"], self._state(joined["state"])
        now_ms, complete = time.time() * 1000, joined["stateComplete"]
        return Joined(
            epoch_of(cursor),
            offset_of(cursor),
            recovered=False,
            state=state,
            complete=complete,
            live=True,
            at_ms=now_ms,
        )

    def _received(self, event: dict[str, Any]) -> Received:
        key, data = event["key"], event["data"]
        removal = key is not None and data is None
        return Received(epoch_of(event["cursor"]), event["offset"], None, self._value(event), key, removal)

    def _state(self, events: list[dict[str, Any]]) -> dict[str, int]:
        return {event["key"]: self._value(event) for event in events}

    def _value(self, event: dict[str, Any]) -> int:
        return value_of(event["key"], event["data"], event["ts"] if self._is_timed else 0)

    async def _until_ready(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not await self._page.evaluate(READY):  # noqa: ASYNC110 - the page cannot call
                await asyncio.sleep(POLL_S)

    async def _call(self, method: str, argument: Any = None) -> Any:
        return await self._page.evaluate(f"argument => sdk.{method}(argument)", argument)


def epoch_of(cursor: str) -> str:
    return cursor.split(".", maxsplit=1)[0]


def offset_of(cursor: str | None) -> int:
    return -1 if cursor is None else int(cursor.split(".")[1])
