"""The command line's targets: over HTTP to a real control plane on a real port, and straight into a log."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from control.rooms import Rooms
from touchline_protocol.errors import BadRoom, OperatorError, RecordRefusal, RecordsRefused, TopicRefused
from touchline_protocol.records import Record
from touchline_server.cli.publish_targets.http import HttpTarget
from touchline_server.cli.publish_targets.log import LogTarget
from touchline_server.config.settings import Settings
from touchline_server.control.app import ControlApp
from touchline_server.control.server import ControlServer
from touchline_server.core.log import AppendFailed, Entry, Log, Position, Records
from touchline_server.log.append_events import append_events
from touchline_server.log.open import make_log
from touchline_server.new_events import NewEvent
from touchline_server.node.sockets import bind


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    server = ControlServer(app, bind("the control plane", "127.0.0.1", 0))
    await server.start()
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()


@asynccontextmanager
async def target_of(app: Starlette, api_key: str | None = None) -> AsyncIterator[HttpTarget]:
    async with serving(app) as url:
        target = HttpTarget(url, api_key)
        yield target
        await target.close()


def control_of(rooms: Rooms, **settings: Any) -> Starlette:
    return ControlApp(rooms, Settings(**settings))


async def test_events_arrive_unchanged() -> None:
    rooms = Rooms()
    events = [NewEvent(b'{"a":  1.50}', "k"), NewEvent(b"[]"), NewEvent(None, "k")]
    async with target_of(control_of(rooms)) as target:
        assert await target.publish("match:a/events", events) == [Position(0, 0), Position(0, 1), Position(0, 2)]
    assert rooms.published == [("match:a/events", event) for event in events]


async def test_the_key_is_sent_and_a_wrong_one_is_an_error() -> None:
    rooms = Rooms()
    app = control_of(rooms, api_keys=["right"])
    async with target_of(app, "right") as target:
        await target.publish("match:1", [NewEvent(b"1")])
    async with target_of(app, "wrong") as target:
        with pytest.raises(OperatorError):
            await target.publish("match:1", [NewEvent(b"2")])
    async with target_of(app) as target:
        with pytest.raises(OperatorError, match="--api-key or TOUCHLINE_API_KEY"):
            await target.publish("match:1", [NewEvent(b"2")])
    assert len(rooms.published) == 1


async def test_an_unknown_feed_and_a_malformed_room_are_errors() -> None:
    async with target_of(control_of(Rooms())) as target:
        with pytest.raises(OperatorError, match="goals"):
            await target.publish("goals:1", [NewEvent(b"1")])
        with pytest.raises(BadRoom):
            await target.publish("goals", [NewEvent(b"1")])


async def test_publishing_to_an_unavailable_log_can_resume_where_it_stopped() -> None:
    rooms = Rooms()
    rooms.failure = AppendFailed("no broker answers", written=1)
    async with target_of(control_of(rooms)) as target:
        with pytest.raises(AppendFailed, match="no broker answers") as failed:
            await target.publish("match:1", [NewEvent(b"1"), NewEvent(b"2")])
    assert failed.value.written == 1


@pytest.mark.parametrize(
    "refusal",
    [
        RecordsRefused("match-events", {0: RecordRefusal(True, "it is too large")}, written=0),
        RecordsRefused("match-events", {0: RecordRefusal(False, "it is too old")}, written=0),
        TopicRefused("this user may not use that topic"),
    ],
)
async def test_what_the_log_refuses_is_not_published_again(refusal: OperatorError) -> None:
    rooms = Rooms()
    rooms.failure = refusal
    async with target_of(control_of(rooms)) as target:
        with pytest.raises(OperatorError) as failed:
            await target.publish("match:1", [NewEvent(b"1")])
    assert not isinstance(failed.value, AppendFailed)


async def test_publishing_to_an_absent_server_can_be_retried() -> None:
    async with serving(Starlette()) as url:
        pass
    target = HttpTarget(url)
    with pytest.raises(AppendFailed, match=url) as failed:
        await target.publish("match:1", [NewEvent(b"1")])
    assert failed.value.written == 0
    await target.close()


async def test_a_server_that_is_not_a_control_plane_is_an_error() -> None:
    async def page(_: Request) -> Response:
        return PlainTextResponse("welcome")

    for app in (Starlette(), Starlette(routes=[Route("/v1/rooms/match:1/events", page, methods=["POST"])])):
        async with target_of(app) as target:
            with pytest.raises(OperatorError) as failed:
                await target.publish("match:1", [NewEvent(b"1")])
            assert not isinstance(failed.value, AppendFailed)


@pytest.mark.parametrize("url", ["127.0.0.1:8081", "ws://127.0.0.1:8081", "http://[::1", "nothing"])
def test_an_invalid_address_is_an_error(url: str) -> None:
    with pytest.raises(OperatorError, match=re.escape(repr(url))):
        HttpTarget(url)


class FillingLog:
    """A log whose disk is full after the first record."""

    unreachable = None

    async def append(self, topic: str, entries: Sequence[Entry], *, independent: bool = False) -> list[Position]:
        raise AppendFailed(f"{topic}: the disk is full", written=1)


async def test_a_partial_append_reports_how_much_was_written() -> None:
    with pytest.raises(AppendFailed, match="match-events: the disk is full") as failed:
        await append_events(cast(Log, FillingLog()), "match-events", "1", [NewEvent(b"1"), NewEvent(b"2")])
    assert failed.value.written == 1


async def test_the_log_target_writes_records_as_producers_do(tmp_path: Path) -> None:
    target = await LogTarget.open(Settings(log=f"sqlite://{tmp_path / 'log.db'}"))
    events = [NewEvent(b'{"a":  1}', "k"), NewEvent(b"[]"), NewEvent(None, "k")]
    placed = await target.publish("match:a:b", events)
    await target.close()
    log = make_log(Settings(log=f"sqlite://{tmp_path / 'log.db'}"))
    await log.open(["match-events"], since_ms=0)
    records: list[Record] = []
    async with asyncio.timeout(60):
        while len(records) < len(events):
            records += [record for batch in await log.poll() if isinstance(batch, Records) for record in batch.records]
    await log.close()
    assert [record.offset for record in records] == [place.offset for place in placed]
    assert [(record.key, record.value, list(record.headers)) for record in records] == [
        (b"a:b", b'{"a":  1}', [("key", b"k")]),
        (b"a:b", b"[]", []),
        (b"a:b", None, [("key", b"k")]),
    ]
