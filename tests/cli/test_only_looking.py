"""Commands that only look leave an embedded log as it was: its file, its mark, and what lies beside them."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from cli.test_tail_log import Lines
from support.waiting import eventually
from touchline_protocol.errors import OperatorError
from touchline_server.cli.app import run
from touchline_server.cli.exit_codes import NOT_FOUND, USER_ERROR
from touchline_server.cli.tail_log import open_log_tail
from touchline_server.config.loading import load_settings
from touchline_server.core.log import Entry
from touchline_server.log.open import key_fields_of
from touchline_server.log.sqlite.log import now_ms
from touchline_server.log.sqlite.records import Append
from touchline_server.log.sqlite.store import Store

MORE_FEEDS = "[feeds.extra]\ntopic = 'extra-events'\n"
"""A configuration with a topic that the log does not have."""


def opened(log: Path) -> Store:
    settings = load_settings()
    return Store(log, settings.sqlite, key_fields_of(settings), now_ms)


def closed(log: Path) -> None:
    """A log with one event, closed in order."""
    with closing(opened(log)) as store:
        store.append([Append("score-events", [Entry(b"1", b"1", [("key", b"score")])])])


def crashed(log: Path) -> None:
    """A log whose server was killed, so that it still has its write-ahead log."""
    original = log.with_name("original")
    original.mkdir()
    with closing(opened(original / "log.db")) as store:
        store.append([Append("score-events", [Entry(b"1", b"1", [("key", b"score")])])])
        for file in original.iterdir():
            shutil.copy(file, log.parent)
    shutil.rmtree(original)
    assert log.with_name("log.db-wal").stat().st_size > 0


def backed_up(log: Path) -> None:
    """A backup in the log's place: a file that is not the one of the mark."""
    closed(log)
    shutil.copy(log, log.with_name("copy"))
    log.with_name("copy").rename(log)


def topics(log: Path, outside: Path) -> None:
    config = outside / "touchline.toml"
    config.write_text(MORE_FEEDS)
    assert run(["topics", "--log", f"sqlite://{log}", "--config", str(config)]) == NOT_FOUND


def tail(log: Path, _outside: Path) -> None:
    printed = Lines()

    async def until_printed() -> None:
        tail = open_log_tail(load_settings(flags={"log": f"sqlite://{log}"}), printed, "score:1", None, 0)
        tailing = asyncio.ensure_future(tail.run())
        await eventually(lambda: printed.lines or tailing.done())
        if tailing.done():
            tailing.result()
        tailing.cancel()
        await asyncio.wait([tailing])

    asyncio.run(until_printed())
    assert [data for *_, data in printed.lines] == [1]


def salvage(log: Path, outside: Path) -> None:
    assert run(["salvage", str(log), str(outside / "new.db")]) == 0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log" / "log.db"


def contents(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Every file of a folder, with its bytes and its time."""
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}


@pytest.mark.parametrize("left", [closed, crashed, backed_up])
@pytest.mark.parametrize("look", [topics, tail, salvage])
def test_a_command_that_only_looks_changes_nothing(
    log: Path, tmp_path: Path, left: Callable[[Path], None], look: Callable[[Path, Path], None]
) -> None:
    left(log)
    before = contents(log.parent)
    look(log, tmp_path)
    assert contents(log.parent) == before


def test_a_log_that_a_server_has_open_is_not_looked_into(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(opened(log)):
        assert run(["topics", "--log", f"sqlite://{log}"]) == USER_ERROR
        assert str(log) in capsys.readouterr().err
        with pytest.raises(OperatorError, match=str(log)):
            tail(log, tmp_path)


def test_what_could_not_be_salvaged_is_in_the_exit_code(log: Path, tmp_path: Path) -> None:
    with closing(opened(log)) as store:
        entries = [Entry(b"%d" % number, b"[" + b"1," * 500 + b"1]") for number in range(500)]
        store.append([Append("match-events", entries)])
    os.truncate(log, log.stat().st_size // 2)
    assert run(["salvage", str(log), str(tmp_path / "new.db")]) == NOT_FOUND
