"""What a reader of the Python SDK sees of a room, as a trace for the checker."""

import time
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import touchline
from touchline_loadtest.checks.trace import Gap, Joined, Received, Settled, Shown, Trace
from touchline_loadtest.checks.values import value_of

ValueOf: TypeAlias = Callable[[touchline.Event], int]
"""The value of an event, by which the log and all clients know it."""


def digest(event: touchline.Event) -> int:
    """The value of an event that its test has not given a number."""
    return value_of(event.key, event.data, event.ts)


class SdkTrace:
    """One subscription. The SDK shows neither ``prev`` nor which events were skipped, and resumes by itself.

    Its trace has `Shown` at the end, so the state that the SDK keeps is compared with the log too.
    """

    def __init__(self, client: touchline.Client, trace: Trace, value_of: ValueOf = digest, *, last: int = 0) -> None:
        self.trace = trace
        self.room = client.subscribe(trace.room, deliver=trace.deliver, last=last, on_restart=self._joined)
        self._value_of = value_of
        self._gaps = 0

    async def joined(self) -> None:
        """Wait until the room has been joined, and note its state."""
        self._joined(await self.room.joined())

    async def events(self) -> AsyncIterator[touchline.Event]:
        """The events, each of which is noted before it is handed out."""
        async for event in self.room:
            if self.room.gaps > self._gaps:
                self._gaps = self.room.gaps
                self.trace.add(Gap(None, event.offset))
            removal = event.key is not None and event.data is None
            self.trace.add(Received(event.epoch, event.offset, None, self._value_of(event), event.key, removal))
            yield event

    def settle(self) -> None:
        """The client claims to have everything that the log has."""
        cursor = self.room.cursor
        if cursor is not None:
            self.trace.add(Shown(cursor.epoch, cursor.offset, self._state()))
        self.trace.add(Settled())

    def _joined(self, room: touchline.Subscription) -> None:
        cursor = room.cursor
        assert cursor is not None
        self.trace.add(
            Joined(
                cursor.epoch,
                cursor.offset,
                recovered=False,
                state=self._state(),
                complete=room.state_complete,
                live=True,
                at_ms=time.time() * 1000,
            )
        )

    def _state(self) -> dict[str, int]:
        return {key: self._value_of(event) for key, event in self.room.state.items()}
