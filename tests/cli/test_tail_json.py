"""``tail`` prints JSON, with the data as it was published: from a server, from a log, in both codecs."""

import json
import signal
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

import touchline
from cli.processes import Server, line_of, running, serving, stop
from touchline_protocol.cursor import Cursor
from touchline_server.cli.tail_output import Printer, describe_silence

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEADERS = {"Content-Type": "application/json", "traceparent": TRACEPARENT}
EXACT = [
    "1e400",
    "-1e400",
    "[1e400, -1e400]",
    "123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "1.0",
    "1E2",
    "-0",
    '{"a":1,"a":2}',
    '"\\u0000 \\u202e \\u0085"',
    '"\u202e\u0085\u2028"',
    '{"a":\n\t1,\r\n"b" : [ ] }',
    "[" * 200 + "]" * 200,
    "9" * 5000,
    '"é 🏟"',
]


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


def read(text: str, *, exact: bool) -> Any:
    """The value of JSON, with all digits and all keys if ``exact``; else as a reader sees it that has floats only."""
    if not exact:
        return json.loads(text, parse_constant=refuse, parse_int=float)
    return json.loads(text, parse_constant=refuse, parse_int=Decimal, parse_float=Decimal, object_pairs_hook=list)


def data_of(line: str, *, exact: bool) -> Any:
    document = read(line, exact=exact)
    return dict(document)["data"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running_server:
        yield running_server


def publish(server: Server, room: str, body: str) -> httpx.Response:
    url = f"{server.control_url}/v1/rooms/{room}/events"
    return httpx.post(url, content=body.encode(), headers=HEADERS)


def publish_all(server: Server, room: str) -> None:
    answer = publish(server, room, '{"events": [' + ", ".join('{"data": ' + data + "}" for data in EXACT) + "]}")
    assert answer.status_code == 200, answer.text


def tailed(room: str, *where: str) -> list[str]:
    with running("tail", room, "--last", str(len(EXACT)), *where) as tail:
        lines = [line_of(tail.stdout, tail) for _ in EXACT]
        assert stop(tail, signal.SIGINT)[0] == 130
    return lines


def check_exact(lines: Sequence[str]) -> None:
    for line, data in zip(lines, EXACT, strict=True):
        assert data_of(line, exact=True) == read(data, exact=True)
        assert dict(read(line, exact=True))["traceparent"] == TRACEPARENT
        assert not {"\x85", "\u202e", "\u2028"} & set(line)


def test_tail_prints_what_was_published(server: Server) -> None:
    publish_all(server, "match:1")
    check_exact(tailed("match:1", "--url", server.websocket_url))
    lines = tailed("match:1", "--url", server.websocket_url, "--codec", "msgpack")
    for line, data in zip(lines, EXACT, strict=True):
        assert data_of(line, exact=False) == read(data, exact=False)


@pytest.mark.long
def test_tail_prints_what_is_in_a_log(tmp_path: Path) -> None:
    log = f"sqlite://{tmp_path / 'log.db'}"
    with serving("--log", log) as server:
        publish_all(server, "match:1")
        stop(server.process)  # one process at a time has the file open
    check_exact(tailed("match:1", "--log", log))


def test_a_state_of_values_that_floats_cannot_hold_is_json(server: Server) -> None:
    assert publish(server, "match:2", '{"data": {"low": -1e400, "high": [1e400]}, "key": "k"}').is_success
    with running("tail", "match:2", "--url", server.websocket_url) as tail:
        shown = read(line_of(tail.stdout, tail), exact=False)
    assert (shown["state"], shown["data"]) == (True, {"low": float("-inf"), "high": [float("inf")]})
    (event,) = read(httpx.get(f"{server.control_url}/v1/rooms/match:2").text, exact=False)["state"]
    assert event["traceparent"] == TRACEPARENT


def test_what_is_not_json_is_refused_by_name(server: Server) -> None:
    for data in ("NaN", "-Infinity", "01", '"\n"', '"\\ud800"'):
        answer = publish(server, "match:3", '{"data": ' + data + "}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_body")


@pytest.mark.parametrize(
    ("data", "printed"),
    [
        (b'{"a": 1e400,\n"a": 2}', '{"a": 1e400, "a": 2}'),
        ({"a": [float("inf"), -float("inf")]}, '{"a": [1e999, -1e999]}'),
        ("\ud800", '"\\ud800"'),
        (None, "null"),
        (10**30, str(10**30)),
    ],
)
def test_a_line_holds_the_data_as_json(data: Any, printed: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    Printer(with_state=True).event(touchline.Event("match:1", 5, None, 7, data, "e"))
    head = '{"room": "match:1", "cursor": "e.5.7", "offset": 5, "ts": 7, "data": '
    assert capsysbinary.readouterr().out.decode() == f"{head}{printed}}}\n"


def test_presence_is_printed_as_lines_of_their_own(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    printer = Printer(with_state=True)
    printer.occupancy(touchline.Occupancy("match:1", 5, complete=False))
    some = frozenset(["bob", "ann", "\u202e"])
    printer.members(touchline.Members("match:1", some, frozenset(["bob"]), frozenset(), complete=True))
    printer.members(touchline.Members("match:1", None, frozenset(), frozenset(), complete=True))
    output = capsysbinary.readouterr().out.decode()
    assert "\u202e" not in output
    assert [json.loads(line) for line in output.splitlines()] == [
        {"room": "match:1", "viewers": 5, "complete": False},
        {"room": "match:1", "players": ["ann", "bob", "\u202e"], "joined": ["bob"], "left": [], "complete": True},
        {"room": "match:1", "players": None, "joined": [], "left": [], "complete": True},
    ]


def test_tail_prints_how_many_watch(server: Server) -> None:
    with running("tail", "match:3", "--occupancy", "--url", server.websocket_url) as tail:
        assert json.loads(line_of(tail.stdout, tail)) == {"room": "match:3", "viewers": 1, "complete": True}
        assert stop(tail, signal.SIGINT)[0] == 130


@pytest.mark.parametrize(
    ("after", "last", "with_state", "options"),
    [
        (None, 0, True, {"--last"}),
        (None, 0, False, {"--last", "--no-state"}),
        (None, 5, False, {"--last"}),
        (Cursor("e", 1), 0, True, set()),
    ],
)
def test_a_quiet_room_is_not_said_to_be_empty(
    after: Cursor | None, last: int, with_state: bool, options: set[str]
) -> None:
    """Older events may be in the log, so the note says only what was looked at, and which options show more."""
    silence = describe_silence(after, last, with_state=with_state)
    assert "no events yet" not in silence
    assert {option for option in ("--last", "--no-state") if option in silence} == options
