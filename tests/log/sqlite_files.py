"""Embedded logs in real files, for tests of what happens to such a file."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

from support.log_harness import WAIT_S
from touchline_server.config.tables import SqliteSettings
from touchline_server.log.sqlite.log import SqliteLog

PAGE_BYTES = 4096

WRITER = """
import asyncio, sys
from pathlib import Path
from touchline_server.config.settings import SqliteSettings
from touchline_server.core.log import Entry
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.server_log.setup import use_standard_logging

use_standard_logging()

async def main():
    log = SqliteLog(Path(sys.argv[1]), SqliteSettings(), {"scores": None})
    await log.open([], since_ms=0)
    async def write(room):
        while True:
            ((_, offset),) = await log.append("scores", [Entry(room, b"1", [("key", b"score")])])
            print(offset, room.decode(), flush=True)
    await asyncio.gather(*(write(b"room-%d" % number) for number in range(5)))

asyncio.run(main())
"""


def scores_log(path: Path | None) -> SqliteLog:
    return SqliteLog(path, SqliteSettings(), {"scores": None})


def killed_writer(path: Path, *, records: int) -> list[tuple[int, str]]:
    """Append to five rooms from another process, and kill it. Returns the offset and room of each record that it had
    acknowledged, at least ``records``."""
    acknowledged: list[tuple[int, str]] = []
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        watchdog = threading.Timer(WAIT_S, writer.kill)
        watchdog.start()
        for line in writer.stdout:
            if not line.endswith("\n"):  # cut off by the kill
                break
            offset, room = line.split()
            acknowledged.append((int(offset), room))
            if len(acknowledged) == records:
                writer.send_signal(signal.SIGKILL)
        watchdog.cancel()
    return acknowledged


def overwrite(path: Path, first_page: int, end_page: int) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, b"\x5a" * (PAGE_BYTES * (end_page - first_page)), PAGE_BYTES * first_page)
    os.close(descriptor)


def leaf_pages(path: Path, name: str) -> list[int]:
    """The leaf pages of a table or index, from 1."""
    connection = sqlite3.connect(path)
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
    connection.close()
    content = path.read_bytes()
    page = content[(root - 1) * PAGE_BYTES : root * PAGE_BYTES]
    assert page[0] in (2, 5), "an interior page"
    pointers = [int.from_bytes(page[at : at + 2]) for at in range(12, 12 + 2 * int.from_bytes(page[3:5]), 2)]
    return [int.from_bytes(page[pointer : pointer + 4]) for pointer in pointers]
