"""``touchline tail``: a room's events as lines of JSON, for eyes, pipes and scripts.

One object a line: ``room``, ``cursor`` (to go on from with ``--after``), ``offset``, ``key`` where there is one,
``ts``, ``data``. A join from nothing, and a start over, begin with the room's state, the newest event of each key, as
lines with ``"state": true``. Each line is flushed as it comes. What else there is to say goes to stderr as notes.
"""

import logging
from collections.abc import Coroutine
from typing import Annotated, Literal

import typer

import touchline
from touchline.errors import ConnectionRefused
from touchline_protocol import codes
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import RECENT_EVENTS_MAX
from touchline_protocol.rooms import split_room
from touchline_server.config.loading import TOKEN_VARIABLE

from .options import WEBSOCKET_URL, ConfigOption, log_settings
from .signals import run_to_end
from .tail_log import open_log_tail
from .tail_output import Printer

RECONNECT = touchline.Backoff(max_s=2.0)
"""Shorter than a program's: a person is waiting, and there is one of them."""

TOKEN_REFUSED = {codes.UNAUTHORIZED.code, codes.CLOSE_TOKEN_EXPIRED.code} | {
    code for code in codes.ERRORS if code.startswith("token_")
}
"""How an edge says that it does not take a token, or wants one."""


def tail(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="As match:15946.")],
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on after this event; as printed with each.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=0, max=RECENT_EVENTS_MAX, help="Begin with so many of the newest events, not the state.")
    ] = 0,
    no_state: Annotated[bool, typer.Option("--no-state", help="Leave out the state.")] = False,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help=f"The edge's WebSocket.  [default: {WEBSOCKET_URL}]")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=TOKEN_VARIABLE, metavar="TOKEN", help="Who you are, where the edge lets nobody else in."),
    ] = None,
    codec: Annotated[Literal["json", "msgpack"], typer.Option(help="What to speak with the edge.")] = "json",
    log: Annotated[
        str | None, typer.Option("--log", metavar="URL", help="Read straight from this log instead, without a server.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print a room's events as they happen.

    Each is a line of JSON; Ctrl-C ends it. It begins with the room's state, in lines with "state": true. A connection
    that is lost is made again, and goes on where it was; where that is not possible, a note on stderr says so, and the
    state follows again. With --log it prints the same from the log itself: state and newest events are what a server
    would build that starts now, from the window of the last window_s; --after reads as far back as the log goes.
    """
    split_room(room)
    cursor = None if after is None else Cursor.parse(after)
    # Events older than the state, after it, would mislead whoever takes lines as they come: so one or the other.
    printer = Printer(with_state=not (no_state or last))
    logging.basicConfig(level=logging.WARNING, format="note: %(message)s")
    work: Coroutine[None, None, None]
    if log is None:
        client = _client(url or WEBSOCKET_URL, token, codec)
        work = _tail(printer, room, cursor, last, client)
    elif url is not None:
        raise OperatorError("--url and --log exclude each other: events come from an edge or straight from the log")
    else:
        work = open_log_tail(log_settings(log, config), printer, room, cursor, last).run()
    run_to_end(work)


def _client(url: str, token: str | None, codec: Literal["json", "msgpack"]) -> touchline.Client:
    try:
        return touchline.connect(url, token=token, codec=codec, backoff=RECONNECT)
    except ValueError as error:
        raise OperatorError(str(error)) from None


async def _tail(printer: Printer, room: str, after: Cursor | None, last: int, client: touchline.Client) -> None:
    def state(subscription: touchline.Subscription) -> None:
        printer.state(subscription.state.values(), subscription.cursor)

    try:
        async with client:
            subscription = client.subscribe(room, after=after, last=last, on_restart=state)
            await subscription.joined()
            if after is None:
                state(subscription)
            async for event in subscription:
                printer.event(event)
    except ConnectionRefused as error:
        if error.code not in TOKEN_REFUSED:
            raise
        raise OperatorError(f"{error}; a token is handed in with --token or {TOKEN_VARIABLE}") from error
