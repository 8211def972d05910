"""``touchline tail --log`` prints what an edge would send: the same log events, told to both."""

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

import touchline
from edge.logs import TOPIC, ScriptedLog, ScriptedRecord
from support.node_fixture import running_node
from support.waiting import eventually
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Event, Subscribed
from touchline_server.cli.tail_log import LogTail, open_log_tail
from touchline_server.cli.tail_output import Printer
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import CaughtUp, Entry, LogEvent, OffsetsLost, PartitionsAdded, TopicOpened

ROOM = "score:1"
FEEDS = {"score": FeedSettings(topic=TOPIC)}

Line: TypeAlias = tuple[str, str, int, object]
"""``state`` or ``event``, the epoch, the offset and the data."""


class Lines(Printer):
    """Keeps what would be printed."""

    def __init__(self) -> None:
        super().__init__(with_state=True)
        self.lines: list[Line] = []
        self.joins = 0

    def joined(self, room: str, after: Cursor | None, last: int) -> None:
        self.joins += 1

    def state(self, state: Iterable[touchline.Event], cursor: Cursor | None) -> None:
        self.lines += sorted(("state", event.epoch, event.offset, json.loads(event.data)) for event in state)

    def event(self, event: touchline.Event) -> None:
        self.lines.append(("event", event.epoch, event.offset, json.loads(event.data)))


class Script:
    """The same events for several logs."""

    def __init__(self, logs: Sequence[ScriptedLog]) -> None:
        self._logs = logs

    def emit(self, *events: LogEvent) -> None:
        for log in self._logs:
            for event in events:
                log.emit(event)

    def records(self, *offsets: int, partition: int = 0, timestamp: int = 1) -> None:
        made = [
            ScriptedRecord(offset, b"1", b"%d" % offset, [("key", b"k%d" % (offset % 2))], timestamp)
            for offset in offsets
        ]
        for log in self._logs:
            log.emit_records(partition, *made)


@pytest.mark.parametrize("after", [None, 1, 2])
async def test_tail_prints_what_an_edge_sends(after: int | None) -> None:
    logs = [ScriptedLog(), ScriptedLog()]
    script = Script(logs)
    script.emit(TopicOpened(TOPIC, "e1", {0: 0}))
    script.records(0, 1, 2)
    script.emit(CaughtUp(TOPIC))
    cursor = None if after is None else Cursor("e1-0-0", after)
    printer = Lines()
    tail = LogTail(Settings(log="sqlite://", feeds=FEEDS), logs[0], printer, ROOM, cursor, last=0)
    tailing = asyncio.create_task(tail.run())
    sent: list[Line] = []
    async with running_node(logs[1], feeds=FEEDS) as node, node.client() as client:
        joined = await client.join(ROOM, **({} if cursor is None else {"epoch": cursor.epoch, "after": cursor.offset}))
        sent += state_of(joined)
        epoch = joined.epoch

        async def follow(last: Line) -> None:
            """Read what the edge sends, up to and with a line; the tail has to print the same."""
            nonlocal epoch
            while not sent or sent[-1] != last:
                match await client.next():
                    case Subscribed() as restart:
                        epoch = restart.epoch
                        sent.extend(state_of(restart))
                    case Event() as event:
                        sent.append(("event", epoch, event.offset, event.data))
            await eventually(lambda: printer.lines == sent)

        script.records(3, 4)
        await follow(("event", "e1-0-0", 4, 4))
        script.emit(OffsetsLost(TOPIC, 0, 8))
        script.records(8, 9)
        await follow(("event", "e1-0-0", 9, 9))
        script.emit(PartitionsAdded(TOPIC, {1: 0}))
        script.records(0, 1, partition=1, timestamp=2)
        await follow(("event", "e1-1-0", 1, 1))
        script.emit(TopicOpened(TOPIC, "e2", {0: 0}), CaughtUp(TOPIC))
        script.records(0, 1)
        await follow(("event", "e2-0-0", 1, 1))
    tailing.cancel()
    await asyncio.wait([tailing])
    assert [line for line in sent if line[0] == "event"][-2:] == [("event", "e2-0-0", 0, 0), ("event", "e2-0-0", 1, 1)]


def state_of(joined: Subscribed) -> list[Line]:
    return sorted(("state", joined.epoch, event.offset, event.data) for event in joined.state)


@pytest.mark.parametrize(("seen", "printed"), [(1, [2, 3]), (3, []), (99, ["state"])])
async def test_a_cursor_of_another_log_continues_behind_the_event_of_its_time(
    seen: int, printed: list[object], tmp_path: Path
) -> None:
    url, begin_ms = f"sqlite:///{tmp_path}/mirror.db", int(time.time() * 1000) - 60_000
    entries = [Entry(b"1", b"%d" % n, [("key", b"k")], begin_ms + 1_000 * n) for n in range(4)]
    async with running_node(url=url, feeds=FEEDS) as node:
        await node.node.log.append(TOPIC, [Entry(b"1", b"-1", (), begin_ms - 60_000), *entries])
    printer = Lines()
    tail = open_log_tail(
        Settings(log=url, feeds=FEEDS), printer, ROOM, Cursor("lost-0-0", 70, begin_ms + 1_000 * seen), last=0
    )
    tailing = asyncio.create_task(tail.run())
    await eventually(lambda: printer.joins == 1 and tail._replay is None)
    tailing.cancel()
    await asyncio.wait([tailing])
    assert [line[0] if line[0] == "state" else line[3] for line in printer.lines] == printed
