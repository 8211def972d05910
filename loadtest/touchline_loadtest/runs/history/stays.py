"""Reads from ``traces/`` of a run folder when each client was in each room."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from touchline_loadtest.checks.occupancy import Stay
from touchline_loadtest.checks.trace import Asked, Item, Joined, Left

from .blocks import TraceHead
from .reader import read_traces, trace_files

NEVER = float("inf")


def read_stays(folder: Path) -> Iterator[Stay]:
    """Each stay of each client, in no order. A client that was never let in may have been in the room all the same.

    One that reads slowly notices the end of its connection late, so it counts as one that was never let in.

    Raises:
        BadRun: a file cannot be read, or is damaged.
    """
    for path in trace_files(folder):
        yield from _stays_of(path)


def _stays_of(path: Path) -> Iterator[Stay]:
    heads: dict[int, TraceHead] = {}
    steps: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
    closed_ms: defaultdict[str, list[float]] = defaultdict(list)
    for block in read_traces(path):
        heads |= {head.number: head for head in block.traces}
        for close in block.closes:
            closed_ms[close.client].append(close.at_ms)
        for number, items in block.items.items():
            head = heads[number]
            steps[head.client, head.room] += [item for item in items if isinstance(item, Asked | Joined | Left)]
    for times_ms in closed_ms.values():
        times_ms.sort()
    for (client, room), items in steps.items():
        yield from _stays_in(room, items, closed_ms.get(client, ()))


def _stays_in(room: str, items: Iterable[Item], closed_ms: Sequence[float]) -> Iterator[Stay]:
    """The stays of one client in one room. The end of its connection ends each of them."""
    asked_ms = joined_ms = ends_ms = NEVER
    prompt = True
    for item in items:
        match item:
            case Asked(at_ms=at_ms, prompt=prompt):
                if asked_ms < NEVER and at_ms >= ends_ms:
                    yield Stay(room, asked_ms, joined_ms, ends_ms)
                    asked_ms = NEVER
                if asked_ms == NEVER:
                    asked_ms, joined_ms, ends_ms = at_ms, NEVER, _first_after(closed_ms, at_ms)
            case Joined(at_ms=at_ms) if prompt:
                joined_ms = min(joined_ms, at_ms)
            case Left(at_ms=at_ms) if at_ms and asked_ms < NEVER:
                yield Stay(room, asked_ms, joined_ms, min(at_ms, ends_ms))
                asked_ms = NEVER
    if asked_ms < NEVER:
        yield Stay(room, asked_ms, joined_ms, ends_ms)


def _first_after(closed_ms: Sequence[float], at_ms: float) -> float:
    index = bisect_left(closed_ms, at_ms)
    return closed_ms[index] if index < len(closed_ms) else NEVER
