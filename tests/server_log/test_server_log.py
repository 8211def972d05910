"""The server's log: bounded, escaped, the same form for libraries, and never in the way."""

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from touchline_server.server_log import writer
from touchline_server.server_log.rate_limit import LINES_PER_SECOND, NAMES_MAX, RateLimit
from touchline_server.server_log.rendering import RENDERERS
from touchline_server.server_log.setup import server_log
from touchline_server.server_log.writer import CLOSE_S

BLOCKED_S_MAX = 2.0
"""Allows for a busy machine. A write that waits for its reader never ends."""

logger = structlog.get_logger("touchline.test")


class Output:
    """A file that the log is written to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fd = os.open(path, os.O_CREAT | os.O_RDWR)

    def text(self) -> str:
        return self._path.read_text("utf-8")

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    output = Output(tmp_path / "log")
    yield output
    os.close(output.fd)


def test_a_line_has_its_fields_the_edge_and_the_logger(output: Output) -> None:
    with server_log("json", edge_name="berlin", fd=output.fd):
        logger.warning("things_happened", connection=7, player="zoe", rate=0.5, nothing=None, rooms=["a", "b"])
    [line] = output.events()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "things_happened",
        "connection": 7,
        "player": "zoe",
        "rate": 0.5,
        "nothing": None,
        "rooms": ["a", "b"],
        "level": "warning",
        "logger": "touchline.test",
        "edge": "berlin",
    }


def test_a_line_for_people_has_the_same_in_one_line(output: Output) -> None:
    with server_log("console", edge_name="berlin", fd=output.fd):
        logger.warning("things_happened", connection=7, player="zoe 'x'")
    [line] = output.text().splitlines()
    assert line.split(maxsplit=3)[1:3] == ["warning", "things_happened"]
    for field in ("connection=7", "edge='berlin'", "logger='touchline.test'", """player="zoe 'x'" """):
        assert field in line


@pytest.mark.parametrize("line_format", ["console", "json", "notes"])
@pytest.mark.parametrize(
    "codes",
    [range(16), range(16, 32), range(0x7F, 0x90), range(0x90, 0xA0), [0x2028, 0x2029, 0x061C, 0x200E],
     range(0x202A, 0x202F), range(0x2066, 0x206A), [0xFEFF, 0xE0001]],
)  # fmt: skip
def test_characters_that_could_change_the_terminal_or_forge_a_line_are_escaped(
    output: Output, line_format: Any, codes: list[int]
) -> None:
    with server_log(line_format, fd=output.fd):
        for code in codes:
            logger.warning(f"event_{code}", player=f"a{chr(code)}b")
            logging.getLogger("touchline.kafka").warning("from a library %s", f"a{chr(code)}b")
            logger.warning(f"object_{code}", why=ValueError(f"a{chr(code)}b"), many=[f"a{chr(code)}b"])
    text = output.text()
    assert text.replace("\n", "").isprintable()
    assert text.count("\n") == 3 * len(codes)


@pytest.mark.parametrize("line_format", ["console", "json", "notes"])
def test_half_of_a_surrogate_pair_can_be_written(line_format: Any) -> None:
    # Not by a logger: pytest could not report what it captured.
    event = {
        "event": "things_happened",
        "player": "a\ud800b\udfff",
        **dict.fromkeys(("timestamp", "level", "logger", "edge"), "x"),
    }
    line = RENDERERS[line_format](None, "", event)
    assert isinstance(line, str)
    assert line.isprintable()
    assert line.encode("ascii")


def test_json_keeps_the_value_behind_an_escape(output: Output) -> None:
    odd = "a\x00\x1b[2J\x7f\x9b\u202e\U0001f600"
    with server_log("json", fd=output.fd):
        logger.warning("odd", player=odd)
    assert output.events()[0]["player"] == odd


def test_tracebacks_are_readable_and_escaped(output: Output) -> None:
    with server_log("console", fd=output.fd):
        try:
            raise ValueError("first\x1b\nsecond")
        except ValueError:
            logger.exception("failed")
    first, *others = output.text().splitlines()
    assert " failed " in first
    assert all(line.startswith("    ") and line.isprintable() for line in others)
    assert "ValueError" in output.text()


def test_a_long_value_is_cut(output: Output) -> None:
    with server_log("json", fd=output.fd):
        logger.warning("long", why="x" * 100_000)
    assert len(output.text()) < 2000


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("touchline", "touchline_message"),
        ("touchline.kafka", "touchline_message"),
        ("touchline.websockets", "library_message"),  # ours by name only
        ("httpx", "library_message"),
    ],
)
def test_records_of_the_standard_librarys_logging_are_events_too(output: Output, name: str, event: str) -> None:
    with server_log("json", edge_name="berlin", fd=output.fd):
        logging.getLogger(name).error("%s is %d", "one", 2)
    [line] = output.events()
    assert (line["event"], line["message"], line["logger"]) == (event, "one is 2", name)
    assert (line["edge"], line["level"]) == ("berlin", "error")


def test_the_level_decides_for_our_events_and_for_libraries(output: Output) -> None:
    with server_log("json", "warning", fd=output.fd):
        for one in (logger, logging.getLogger("touchline.kafka")):
            one.info("small")
            one.warning("large")
    assert len(output.events()) == 2


@pytest.mark.parametrize(("level", "lines"), [("info", 0), ("debug", 3)])
def test_what_libraries_say_of_single_connections_is_for_debugging(output: Output, level: Any, lines: int) -> None:
    with server_log("json", level, fd=output.fd):
        for name in ("aiokafka.conn", "websockets.server", "uvicorn.error"):
            logging.getLogger(name).warning("a peer did something")
    assert len(output.events()) == lines


def test_each_kind_of_line_is_bounded_per_second_and_the_rest_is_counted(output: Output) -> None:
    with server_log("json", fd=output.fd):
        began = time.monotonic()
        for _ in range(500):
            logger.warning("flood")
            logging.getLogger("touchline.kafka").warning("flood of %s", time.time_ns())
        seconds = int(time.monotonic()) - int(began) + 1
        logger.warning("rare")
        time.sleep(1.2)  # until the second is over
    events = output.events()
    assert sum(line["event"] == "rare" for line in events) == 1
    for name, of_kind in (("flood", "flood"), ("touchline.kafka: flood of %s", "touchline_message")):
        written = sum(line["event"] == of_kind for line in events)
        omitted = sum(line["lines"] for line in events if line["event"] == "lines_omitted" and line["name"] == name)
        assert 1 <= written <= LINES_PER_SECOND * seconds
        assert written + omitted == 500


def test_a_flood_of_one_code_does_not_hide_another(output: Output) -> None:
    with server_log("json", fd=output.fd):
        for _ in range(300):
            logger.info("request_refused", code="common")
        logger.info("request_refused", code="rare")
    assert [line["code"] for line in output.events() if line["event"] == "request_refused"][-1] == "rare"


def test_what_was_omitted_last_is_reported_at_the_end_of_the_second_whatever_follows() -> None:
    now_s = 1.0
    rates = RateLimit(lambda: now_s, per_second=2)
    assert [rates.admit("one") for _ in range(5)] == [True, True, False, False, False]
    assert rates.take_omissions() == []
    now_s = 2.0
    assert rates.take_omissions() == [("one", 3)]
    assert rates.take_omissions() == []
    assert rates.admit("one")


def test_names_that_a_library_makes_up_take_no_memory_without_end() -> None:
    rates = RateLimit(lambda: 1.0)
    admitted = sum(rates.admit(f"name {number}") for number in range(NAMES_MAX * 10))
    assert admitted == NAMES_MAX + LINES_PER_SECOND


def test_a_pipe_that_nobody_reads_stops_nothing_and_what_was_dropped_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUED_LINES_MAX", 100)
    reading, writing = os.pipe()
    sent = 900
    with server_log("json", fd=writing):
        began = time.monotonic()
        for number in range(sent):
            logger.warning(f"event_{number}", why="x" * 500)
        assert time.monotonic() - began < BLOCKED_S_MAX
        os.set_blocking(reading, False)
        text = b""
        while b"lines_dropped" not in text:
            try:
                text += os.read(reading, 1 << 20)
            except BlockingIOError:
                time.sleep(0.001)  # until the thread has written more
    os.close(reading)
    os.close(writing)
    lines = [json.loads(line) for line in text.splitlines()]
    dropped = sum(line["lines"] for line in lines if line["event"] == "lines_dropped")
    assert dropped > 0
    assert sum(line["event"].startswith("event_") for line in lines) + dropped == sent


def test_a_pipe_that_nobody_reads_does_not_delay_the_end() -> None:
    reading, writing = os.pipe()
    with server_log("json", fd=writing):
        for number in range(500):
            logger.warning(f"event_{number}", why="x" * 500)
        began = time.monotonic()
    assert time.monotonic() - began < CLOSE_S + BLOCKED_S_MAX
    os.close(reading)  # which ends the thread's write
    os.close(writing)


def test_a_closed_pipe_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with server_log("json", fd=writing):
        logger.warning("first")
        logger.warning("second")
    os.close(writing)
