"""``touchline publish``: one event."""

import json
import os
from typing import Annotated

import typer

from touchline_cli.output import write_line
from touchline_cli.run import run_to_end
from touchline_protocol.printable import escaped
from touchline_protocol.rooms import split_room
from touchline_server.core.log import Position
from touchline_server.new_events import NewEvent, new_event

from .options import ApiKeyOption, ConfigOption, ControlUrlOption, DirectLogOption
from .publish_targets.target import PublishTarget, open_target


def publish(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="For example match:15946.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="Any JSON value. null, with a key, removes the key.")],
    key: Annotated[str | None, typer.Option(help="The key whose newest state the event is, e.g. score.")] = None,
    url: ControlUrlOption = None,
    api_key: ApiKeyOption = None,
    log: DirectLogOption = None,
    config: ConfigOption = None,
) -> None:
    """Publish one event and print its position.

    The position is the partition and the offset of the event's record in the log.
    """
    split_room(room)
    event = new_event(os.fsencode(data), key)  # the bytes as typed, valid UTF-8 or not

    async def run() -> Position:
        return await _publish_one(await open_target(url, api_key, log, config), room, event)

    position = run_to_end(run())
    shown = {"room": room, "partition": position.partition, "offset": position.offset}
    write_line(escaped(json.dumps(shown, ensure_ascii=False)).encode())


async def _publish_one(target: PublishTarget, room: str, event: NewEvent) -> Position:
    try:
        return (await target.publish(room, [event]))[0]
    finally:
        await target.close()
