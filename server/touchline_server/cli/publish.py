"""``touchline publish``: one event."""

import json
import os
from typing import Annotated

import typer

from touchline_protocol.rooms import split_room
from touchline_server.core.log import Position
from touchline_server.new_events import NewEvent, new_event

from .options import ApiKeyOption, ConfigOption, DirectLogOption, ServerOption, open_publisher
from .output import write_line
from .publish_targets import Publisher
from .signals import run_to_end


def publish(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="As match:15946.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="Any JSON value; null, with a key, removes the key.")],
    key: Annotated[str | None, typer.Option(help="What the event is the newest state of, as score.")] = None,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    log: DirectLogOption = None,
    config: ConfigOption = None,
) -> None:
    """Publish one event, and print where it is in the log."""
    split_room(room)
    event = new_event(os.fsencode(data), key)  # the bytes that were typed, whatever they are

    async def run() -> Position:
        publisher = await open_publisher(server, api_key, log, config)
        return await _publish_one(publisher, room, event)

    placed = run_to_end(run())
    shown = {"room": room, "partition": placed.partition, "offset": placed.offset}
    write_line(json.dumps(shown, ensure_ascii=False).encode())


async def _publish_one(publisher: Publisher, room: str, event: NewEvent) -> Position:
    try:
        return (await publisher.publish(room, [event]))[0]
    finally:
        await publisher.close()
