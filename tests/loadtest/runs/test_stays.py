"""The stays of clients in rooms are read from the traces of a run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from touchline_loadtest.checks.closes import Close
from touchline_loadtest.checks.occupancy import Stay
from touchline_loadtest.checks.trace import Asked, Item, Joined, Left
from touchline_loadtest.runs.history.stays import read_stays
from touchline_loadtest.runs.history.trace_writer import TraceWriter

ROOM = "match:1"
NEVER = float("inf")


def joined(at_ms: float) -> Joined:
    return Joined("e", 1, recovered=False, at_ms=at_ms)


@pytest.mark.parametrize(
    ("items", "closed_ms", "expected"),
    [
        ([Asked(1), joined(2), Left(9)], [9.5], [(1, 2, 9)]),
        ([Asked(1), joined(2)], [9], [(1, 2, 9)]),
        ([Asked(1), joined(2)], [], [(1, 2, NEVER)]),
        ([Asked(1)], [4], [(1, NEVER, 4)]),
        ([Asked(1), joined(2), Asked(11), joined(12), Left(20)], [9, 20.5], [(1, 2, 9), (11, 12, 20)]),
        ([Asked(1), Asked(11), joined(12)], [9], [(1, NEVER, 9), (11, 12, NEVER)]),
        ([Asked(1), joined(2), joined(5)], [9], [(1, 2, 9)]),
        ([Asked(1), joined(2), Left(0.0)], [9], [(1, 2, 9)]),
        ([Asked(1, prompt=False), joined(2), Left(0.0)], [9], [(1, NEVER, 9)]),
        ([Asked(1), joined(2), Left(4), Asked(4), joined(5), Left(8)], [8.5], [(1, 2, 4), (4, 5, 8)]),
    ],
    ids=[
        "leaves",
        "loses its connection",
        "stays",
        "is not let in",
        "comes back",
        "is let in the second time",
        "gets the state again",
        "leaves without a time",
        "reads slowly",
        "asks again",
    ],
)
def test_stays_are_read(
    items: Sequence[Item], closed_ms: Sequence[float], expected: Sequence[tuple[float, float, float]], tmp_path: Path
) -> None:
    writer = TraceWriter(tmp_path)
    trace = writer.trace("fan 1", ROOM)
    for item in items:
        trace.add(item)
    for at_ms in closed_ms:
        writer.closed(Close("fan 1", 1006, at_ms))
    writer.closed(Close("fan 2", 1006, 3.0))
    writer.close()
    assert list(read_stays(tmp_path)) == [Stay(ROOM, *times) for times in expected]
