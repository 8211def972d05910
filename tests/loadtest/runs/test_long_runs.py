"""A run is checked as a stream: what clients saw may be any number of times larger than memory."""

import tracemalloc
from pathlib import Path

from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.trace import Joined, Left, Received
from touchline_loadtest.runs.history.block_file import ADDITIONS_MAX
from touchline_loadtest.runs.history.check import check_folder
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.history.trace_writer import TraceWriter

ROOM = "score:1"
PART = LogId("score-events", 0, 0)
EVENTS = 400
CLIENTS = 10


def write_run(folder: Path, visits: int) -> None:
    """Each client watches all events that the log has, again and again."""
    with LogWriter(folder) as log:
        for offset in range(EVENTS):
            log.append(PART, ROOM, Entry(offset, offset, "clock"))
    with TraceWriter(folder) as traces:
        clients = [traces.trace(f"fan {number}", ROOM) for number in range(CLIENTS)]
        for _ in range(visits):
            for client in clients:
                client.add(Joined("e", -1, recovered=False))
                for offset in range(EVENTS):
                    client.add(Received("e", offset, offset - 1 if offset else None, offset, "clock"))
                client.add(Left())


def peak_bytes(folder: Path, visits: int) -> int:
    """The most memory that checking a run takes."""
    write_run(folder, visits)
    tracemalloc.start()
    try:
        outcome = check_folder(folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome.breaches == []
    assert outcome.counts["events"] == visits * CLIENTS * EVENTS
    return peak


def test_memory_does_not_grow_with_what_clients_saw(tmp_path: Path) -> None:
    visits = ADDITIONS_MAX // (CLIENTS * EVENTS)
    # The short run is one block; while the long one is read, two blocks are in memory, out of four.
    assert peak_bytes(tmp_path / "long", 4 * visits) < 2.5 * peak_bytes(tmp_path / "short", visits)
