"""What clients saw and what the log held come back from the run folder as they were written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from touchline_loadtest.checks.actions import Acted, ActionEntry, LoggedAction, Verdict
from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import TopicFacts
from touchline_loadtest.checks.trace import Asked, Gap, Item, Joined, Left, Received, Refused, Settled, Shown, Skipped
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.history.blocks import MAGIC, LogBlock, TraceBlock, TraceHead
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.history.reader import log_files, read_log, read_traces, trace_files
from touchline_loadtest.runs.history.trace_writer import TraceWriter

ITEMS: list[Item] = [
    Joined("e", 4, recovered=False, state={"score": 1 << 55}, recent=((3, 7), (4, 8)), at_ms=1.5),
    Received("e", 6, 4, 9, "score"),
    Received("e", 1 << 52, None, 10, None),
    Received("e", (1 << 52) + 1, None, 11, "clock", removal=True),
    Skipped(7, 9, 2),
    Skipped(7, 9, 2, 3.5),
    Joined("f", 12, recovered=True, after=("e", 6), live=True),
    Gap(None, 3),
    Refused("unavailable", 2.5),
    Shown("f", 12, {"score": 9}),
    Left(),
    Settled(),
    Asked(4.5, prompt=False),
]

WRITE_FOREVER = """
import sys
from pathlib import Path
from touchline_loadtest.checks.trace import Received
from touchline_loadtest.runs.history.trace_writer import TraceWriter

trace = TraceWriter(Path(sys.argv[1])).trace("a client", "score:1")
offset = 0
while True:
    trace.add(Received("e", offset, None, offset))
    offset += 1
    if offset % 100_000 == 0:
        print(offset, flush=True)
"""


def blocks_of(folder: Path) -> list[TraceBlock]:
    return [block for path in trace_files(folder) for block in read_traces(path)]


def test_traces_come_back(tmp_path: Path) -> None:
    close, cause = Close("a client", 4000, 3.5, edge="edge-1"), Cause("client_slow", 1.0, 2.0, client="a client")
    acted, entry = Acted("ada", 5, "", 1.0, "s", 1), ActionEntry("ada", "s", 1, "tap", 5)
    with TraceWriter(tmp_path) as writer:
        first, second = writer.trace("a client", "score:1", "latest"), writer.trace("b", "score:2", shows_skips=False)
        for item in ITEMS:
            first.add(item)
        writer.flush()
        second.add(ITEMS[0])
        first.add(ITEMS[1])
        writer.closed(close)
        writer.cause(cause)
        writer.acted(acted)
        writer.handed_out("a reader", entry)
    begin, end = blocks_of(tmp_path)
    assert begin.traces == [
        TraceHead(0, "a client", "score:1", "latest", shows_skips=True),
        TraceHead(1, "b", "score:2", "all", shows_skips=False),
    ]
    assert begin.items == {0: ITEMS}
    assert end.items == {0: [ITEMS[1]], 1: [ITEMS[0]]}
    assert (end.closes, end.causes, end.acted, end.handed_out) == ([close], [cause], [acted], {"a reader": [entry]})


def test_the_log_comes_back(tmp_path: Path) -> None:
    log, entry = LogId("score-events", 1, 2), Entry(7, 1 << 55, "score", removal=True, order=3)
    action, verdict = LoggedAction(ActionEntry("ada", "s", 1, "tap", 5), 17), Verdict("ada", "mute", 2.0)
    with LogWriter(tmp_path) as writer:
        writer.topic("score-events", TopicFacts(lossy=True, reach=50))
        writer.append(log, "score:1", entry)
        writer.start(log, 3)
        writer.action(action)
        writer.verdict(verdict)
    (block,) = [block for path in log_files(tmp_path) for block in read_log(path)]
    at_ms = block.starts[0][1]
    assert block == LogBlock(
        block.at_ms,
        {"score-events": TopicFacts(lossy=True, reach=50)},
        [(log, [("score:1", entry)])],
        [(log, at_ms, 3)],
        [action],
        [verdict],
    )


def test_a_file_that_ends_anywhere_gives_the_blocks_before(tmp_path: Path) -> None:
    with TraceWriter(tmp_path) as writer:
        trace = writer.trace("a client", "score:1")
        for item in ITEMS:
            trace.add(item)
            writer.flush()
    (path,) = trace_files(tmp_path)
    whole = path.read_bytes()
    counts: list[int] = []
    ends: list[int] = []
    cuts: list[tuple[Path, int]] = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        cuts.clear()
        counts.append(len(list(read_traces(path, lambda *cut: cuts.append(cut)))))
        assert len(cuts) <= 1
        assert all(cut[0] == path and cut[1] <= length for cut in cuts)
        ends += [] if cuts else [length]
    assert counts == sorted(counts)
    assert counts[-2] == len(ITEMS), "all but the empty block of the end"
    assert [counts[end] for end in ends] == [*range(len(ITEMS) + 2)], "a file is whole only where a block ends"


def test_a_damaged_length_is_not_taken_for_the_end(tmp_path: Path) -> None:
    """Whatever a byte of a block's head is changed to, the rest of the file is not dropped without a word."""
    with TraceWriter(tmp_path) as writer:
        trace = writer.trace("a client", "score:1")
        for item in ITEMS[:3]:
            trace.add(item)
            writer.flush()
    (path,) = trace_files(tmp_path)
    whole = path.read_bytes()
    for place in range(len(MAGIC), len(MAGIC) + 12):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(BadRun, match=rf"{path.name}.*byte 20"):
                list(read_traces(path))


def test_a_process_that_is_killed_leaves_what_it_had_written(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        written = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    offsets = [item.offset for block in blocks_of(tmp_path) for item in block.items[0] if isinstance(item, Received)]
    assert offsets == list(range(len(offsets)))
    assert len(offsets) > written - 10_000


def test_several_writers_of_a_process_have_a_file_each(tmp_path: Path) -> None:
    with TraceWriter(tmp_path) as one, TraceWriter(tmp_path) as other:
        one.trace("a", "score:1").add(Left())
        other.trace("b", "score:1").add(Settled())
    assert [block.items[0] for block in blocks_of(tmp_path)] == [[Left()], [Settled()]]


def test_a_damaged_file_is_named_with_the_place(tmp_path: Path) -> None:
    with TraceWriter(tmp_path) as writer:
        writer.trace("a client", "score:1").add(ITEMS[0])
        writer.flush()
        writer.trace("b", "score:1").add(ITEMS[0])
    (path,) = trace_files(tmp_path)
    whole = bytearray(path.read_bytes())
    whole[40] ^= 1
    path.write_bytes(whole)
    with pytest.raises(BadRun, match=rf"{path.name}.*byte 20"):
        list(read_traces(path))
    path.write_bytes(b"something else entirely")
    with pytest.raises(BadRun, match=path.name):
        list(read_traces(path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "traces").write_text("a file")
    with pytest.raises(BadRun, match="traces"):
        TraceWriter(tmp_path)
