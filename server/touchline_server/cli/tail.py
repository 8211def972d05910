"""``touchline tail``: a room's events as lines of JSON, for eyes, pipes and scripts.

Each line is one object: ``room``, ``cursor`` (to continue from with ``--after``), ``offset``, ``key`` if the event has
one, ``ts``, ``traceparent`` if it has one, ``data``. Joining without a cursor, and starting over, begin with the room's
state: the newest event of each key, as lines with ``"state": true``. With ``--occupancy`` there are lines with
``viewers`` as well, with ``--members`` lines with ``players``. Every line is flushed as it is printed. Notes go to
stderr.

To a terminal and to a pipe the same is printed: JSON whose strings escape what a terminal would obey or nobody would
see, as `touchline_protocol.printable` says. A program that parses it gets the values that were published.
"""

import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer

import touchline
from touchline.dispatcher import OnPresence
from touchline.errors import ConnectionRefused, RoomRefused
from touchline_cli.run import run_to_end, while_read
from touchline_protocol import codes
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import RECENT_EVENTS_MAX
from touchline_protocol.rooms import split_room
from touchline_server.config.variables import TOKEN_VARIABLE

from .options import ConfigOption, WebSocketUrlOption, edge_url
from .publish_targets.slow import noted_if_slow
from .tail_output import Printer

RECONNECT = touchline.Backoff(max_s=2.0)
"""Shorter than what a program should use: a person is waiting, and only one."""

TOKEN_REFUSED = {codes.UNAUTHORIZED.code, codes.CLOSE_TOKEN_EXPIRED.code} | {
    code for code in codes.ERRORS if code.startswith("token_")
}
"""The codes by which an edge refuses a token, or asks for one."""


def tail(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="For example match:15946.")],
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Continue after this event; every line has its cursor.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=0, max=RECENT_EVENTS_MAX, help="Begin with this many newest events, not the state.")
    ] = 0,
    no_state: Annotated[bool, typer.Option("--no-state", help="Leave out the state.")] = False,
    occupancy: Annotated[bool, typer.Option("--occupancy", help="Print how many watch, whenever it changes.")] = False,
    members: Annotated[
        bool, typer.Option("--members", help="Print which players are in the room. It takes a token for that.")
    ] = False,
    url: WebSocketUrlOption = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=TOKEN_VARIABLE, metavar="TOKEN", help="Your token, if the edge asks for one."),
    ] = None,
    codec: Annotated[Literal["json", "msgpack"], typer.Option(help="Encoding on the WebSocket.")] = "json",
    log: Annotated[
        str | None, typer.Option("--log", metavar="URL", help="Read this log directly instead, without a server.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print a room's events as they happen.

    Each event is a line of JSON; Ctrl-C ends the command. The output begins with the room's state, in lines with
    "state": true. A lost connection is opened again and continues where it was. If that is not possible, a note on
    stderr says so, and the state follows again. With --log the same is printed from the log itself: the state and the
    newest events are what a server that starts now would build from the last window_s; --after reads as far back as
    the log goes. An embedded log is read as it is at that moment, and stays as it is.
    """
    split_room(room)
    cursor = None if after is None else Cursor.parse(after)
    # Older events after the state would mislead a script that takes the lines in order: so it is one or the other.
    printer = Printer(with_state=not (no_state or last))
    if log is None:
        logging.basicConfig(level=logging.WARNING, format="note: %(message)s")
        address = url or edge_url(config)
        presence = OnPresence(printer.occupancy if occupancy else None, printer.members if members else None)
        client = _client(address, token, codec)
        run_to_end(while_read(_tail(printer, room, cursor, last, presence, client, address)))
    elif url is not None:
        raise OperatorError("--url and --log exclude each other: events come from an edge or straight from the log")
    elif occupancy or members:
        raise OperatorError("--log excludes --occupancy and --members: a log does not know who watches")
    else:
        _log_tail(printer, room, cursor, last, log, config)


def _client(url: str, token: str | None, codec: Literal["json", "msgpack"]) -> touchline.Client:
    try:
        return touchline.connect(url, token=token, codec=codec, backoff=RECONNECT, decode_data=codec != "json")
    except ValueError as error:
        raise OperatorError(str(error)) from None


async def _tail(
    printer: Printer,
    room: str,
    after: Cursor | None,
    last: int,
    presence: OnPresence,
    client: touchline.Client,
    url: str,
) -> None:
    def state(subscription: touchline.Subscription) -> None:
        printer.state(subscription.state.values(), subscription.cursor)

    try:
        async with AsyncExitStack() as stack:
            with noted_if_slow(url):
                await stack.enter_async_context(client)
                subscription = client.subscribe(
                    room,
                    after=after,
                    last=last,
                    on_restart=state,
                    on_occupancy=presence.occupancy,
                    on_members=presence.members,
                )
                await subscription.joined()
            if after is None:
                state(subscription)
            printer.joined(room, after, last)
            async for event in subscription:
                printer.event(event)
    except ConnectionRefused as error:
        if error.code not in TOKEN_REFUSED:
            raise
        raise OperatorError(f"{error}; pass a token with --token or {TOKEN_VARIABLE}") from error
    except RoomRefused as error:
        if error.code != codes.MEMBERS_FORBIDDEN.code:
            raise
        raise OperatorError(
            f"{error}; pass a token whose claim members allows the room with --token or {TOKEN_VARIABLE}, "
            "or leave out --members"
        ) from error


def _log_tail(printer: Printer, room: str, after: Cursor | None, last: int, log: str, config: Path | None) -> None:
    # Imported only here: tailing an edge needs neither the settings nor a log's client, which take 0.4 s.
    from touchline_server.config.loading import load_settings  # noqa: PLC0415
    from touchline_server.server_log.setup import command_notes  # noqa: PLC0415

    from .tail_log import open_log_tail  # noqa: PLC0415

    with command_notes():
        run_to_end(while_read(open_log_tail(load_settings(config, {"log": log}), printer, room, after, last).run()))
