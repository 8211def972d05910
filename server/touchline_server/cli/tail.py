"""``touchline tail``: a room's events as lines of JSON, for eyes, pipes and scripts.

One object a line: ``room``, ``cursor`` (to go on from with ``--after``), ``offset``, ``key`` where there is one,
``ts``, ``data``. A join from nothing, and a start over, begin with the room's state, the newest event of each key, as
lines with ``"state": true``. Each line is flushed as it comes.
"""

import json
import os
import sys
from typing import Annotated, Literal

import typer

import touchline
from touchline_protocol.cursor import Cursor
from touchline_protocol.limits import RECENT_EVENTS_MAX
from touchline_protocol.rooms import split_room

from .options import WEBSOCKET_URL
from .running import run_to_end


def tail(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="As match:15946.")],
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on after this event; as printed with each.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=0, max=RECENT_EVENTS_MAX, help="Begin with so many of the newest events, not the state.")
    ] = 0,
    no_state: Annotated[bool, typer.Option("--no-state", help="Leave out the state.")] = False,
    url: Annotated[str, typer.Option(metavar="URL", help="The edge's WebSocket.")] = WEBSOCKET_URL,
    codec: Annotated[Literal["json", "msgpack"], typer.Option(help="What to speak with the edge.")] = "json",
) -> None:
    """Print a room's events as they happen.

    Each is a line of JSON; Ctrl-C ends it. It begins with the room's state, in lines with "state": true. A connection
    that is lost is made again, and goes on where it was; where that is not possible, a note on stderr says so, and the
    state follows again.
    """
    split_room(room)
    cursor = None if after is None else Cursor.parse(after)
    # Events older than the state, after it, would mislead whoever takes lines as they come: so one or the other.
    printer = _Printer(with_state=not (no_state or last))
    try:
        run_to_end(_tail(printer, room, cursor, last, url, codec))
    except BrokenPipeError:
        # The reader, as head, has read enough. Python would stumble over the closed pipe once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _tail(
    printer: "_Printer", room: str, after: Cursor | None, last: int, url: str, codec: Literal["json", "msgpack"]
) -> None:
    async with touchline.connect(url, codec=codec) as client:
        subscription = client.subscribe(room, after=after, last=last, on_restart=printer.restarted)
        await subscription.joined()
        if after is None:
            printer.state(subscription)
        async for event in subscription:
            printer.event(event)


class _Printer:
    """Writes events to stdout."""

    def __init__(self, *, with_state: bool) -> None:
        self._with_state = with_state

    def restarted(self, subscription: touchline.Subscription) -> None:
        sys.stderr.write(f"note: {subscription.room} was started over: events before this may be missing\n")
        self.state(subscription)

    def state(self, subscription: touchline.Subscription) -> None:
        """Print the state, all of it with the cursor that follows it."""
        if self._with_state:
            for event in sorted(subscription.state.values(), key=lambda event: event.offset):
                self._write(event, {"state": True}, cursor=subscription.cursor)

    def event(self, event: touchline.Event) -> None:
        self._write(event, {}, cursor=event.cursor)

    def _write(self, event: touchline.Event, mark: dict[str, bool], cursor: Cursor | None) -> None:
        key = {} if event.key is None else {"key": event.key}
        line = {"room": event.room, "cursor": str(cursor), "offset": event.offset, **key, "ts": event.ts}
        sys.stdout.buffer.write(_json({**line, "data": event.data, **mark}) + b"\n")
        sys.stdout.buffer.flush()


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # JSON can hold halves of characters, as \ud800, and UTF-8 cannot
        return json.dumps(value).encode()
