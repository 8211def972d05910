"""``check`` says what it compared and what was wrong, and does not take an empty run for a good one."""

from pathlib import Path

import pytest

from touchline_loadtest.checks.actions import Acted, ActionEntry, LoggedAction, Verdict
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.trace import Joined, Left, Received
from touchline_loadtest.cli.app import run
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.records import RunInfo
from touchline_loadtest.runs.writer import RunWriter

ROOM = "score:1"
PART = LogId("score-events", 0, 0)
EVENTS = 10


def write_log(folder: Path) -> None:
    with LogWriter(folder) as writer:
        for offset in range(EVENTS):
            writer.append(PART, ROOM, Entry(offset, 100 + offset))
        writer.action(LoggedAction(ActionEntry("ada", "s", 1, "tap", 5), 0))
        writer.verdict(Verdict("bob", "ban", 1_000.0))


def write_traces(folder: Path, *, missing: int | None = None, closed: int = 1006) -> None:
    with TraceWriter(folder) as writer:
        trace = writer.trace("fan 1", ROOM)
        trace.add(Joined("e", -1, recovered=False))
        for offset in range(EVENTS):
            if offset != missing:
                trace.add(Received("e", offset, offset - 1 if offset else None, 100 + offset))
        trace.add(Left())
        writer.acted(Acted("ada", 5, "", 500.0))
        writer.cause(Cause("edge_killed", 900.0, edge="edge-1"))
        writer.closed(Close("fan 1", closed, 1_000.0, edge="edge-1"))
        writer.closed(Close("fan 2", 4503, 2_000.0, player="bob"))


def test_a_right_run_passes_and_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path)
    write_traces(tmp_path)
    assert run(["check", str(tmp_path)]) == 0
    counts = {name: count for count, name in (line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())}
    assert (counts["clients"], counts["events"], counts["closes"], counts["actions acknowledged"]) == (
        "1",
        "10",
        "2",
        "1",
    )
    assert (tmp_path / "breaches.jsonl").read_bytes() == b""


def test_a_breach_is_printed_and_written_for_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunWriter.create(tmp_path, RunInfo("a run", "locust", 0.0)):
        write_log(tmp_path)
    write_traces(tmp_path, missing=4, closed=1011)
    assert run(["check", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "missing: fan 1 in score:1 at 4" in printed
    assert "1011" in printed
    kinds = [(breach.kind, breach.client, breach.room, breach.offset) for breach in RunReader(tmp_path).breaches()]
    assert sorted(kinds) == [("missing", "fan 1", ROOM, 4), ("unexplained_close", "fan 1", "", None)]


def test_breaches_of_a_run_before_are_replaced(tmp_path: Path) -> None:
    write_log(tmp_path)
    write_traces(tmp_path, missing=4)
    assert run(["check", str(tmp_path)]) == 1
    written = (tmp_path / "breaches.jsonl").read_bytes()
    assert run(["check", str(tmp_path), "--show", "0"]) == 1
    assert (tmp_path / "breaches.jsonl").read_bytes() == written


def test_actions_of_others_are_breaches_unless_they_are_expected(tmp_path: Path) -> None:
    write_log(tmp_path)
    write_traces(tmp_path)
    with LogWriter(tmp_path) as writer:
        writer.action(LoggedAction(ActionEntry("eve", "s", 1, "tap", 5), 1))
    assert run(["check", str(tmp_path)]) == 1
    assert run(["check", str(tmp_path), "--other-players"]) == 0


@pytest.mark.parametrize("missing", ["everything", "log", "traces", "content"])
def test_a_run_without_anything_to_compare_is_not_a_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    if missing not in ("everything", "log"):
        with LogWriter(tmp_path) as log:
            log.append(PART, ROOM, Entry(0, 100))
    if missing == "log":
        write_traces(tmp_path)
    elif missing == "content":
        with TraceWriter(tmp_path) as writer:
            writer.trace("fan 1", ROOM).add(Joined("e", -1, recovered=False))
    assert run(["check", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["missing", "a file", "empty", "damaged", "format", "unknown field"])
def test_a_wrong_folder_is_the_same_error_as_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    folder = tmp_path / "run"
    documents = {"damaged": "{", "format": '{"format": 99}', "unknown field": '{"name": "a", "nmae": "b"}'}
    if wrong == "a file":
        folder = tmp_path / "run.json" / "run"
        folder.parent.write_text("{}")
    elif wrong != "missing":
        folder.mkdir()
    if wrong in documents:
        (folder / "run.json").write_text(documents[wrong])
        write_log(folder)
        write_traces(folder)
    errors = []
    for command in ("check", "report"):
        assert run([command, str(folder)]) == 2
        errors.append(capsys.readouterr().err)
    assert str(folder) in errors[0]
    assert errors[0] == errors[1]


def test_a_run_can_be_named_by_its_main_file_too(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, RunInfo("a run", "locust", 0.0)):
        write_log(tmp_path)
    write_traces(tmp_path)
    assert run(["check", str(tmp_path / "run.json")]) == 0


def test_breaches_have_a_text_for_people() -> None:
    assert str(Breach("gap", "fan 1", "why", ROOM, 7)) == "gap: fan 1 in score:1 at 7: why"


def test_a_file_of_a_killed_process_is_named_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path)
    write_traces(tmp_path)
    with TraceWriter(tmp_path) as writer:
        writer.trace("fan 2", ROOM).add(Left())
    path = max((tmp_path / "traces").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    assert run(["check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"traces/{path.name}" in printed
    assert "1  files that end in the middle of a block" in printed


def test_a_client_that_was_never_answered_is_found_though_it_has_no_items(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(tmp_path)
    write_traces(tmp_path)
    with TraceWriter(tmp_path) as writer:
        writer.trace("fan 7", ROOM)
    assert run(["check", str(tmp_path)]) == 1
    assert "never_joined: fan 7 in score:1" in capsys.readouterr().out


def test_what_was_found_is_printed_even_if_it_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(tmp_path)
    write_traces(tmp_path, missing=4)
    (tmp_path / "breaches.jsonl").mkdir()
    assert run(["check", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert "missing: fan 1" in printed.out
    assert "breaches.jsonl" in printed.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["breaches.jsonl", "log", "traces"]
