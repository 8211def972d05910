"""Points over time: merging those of several processes, breaks where samples are missing, and fewer points. Pure.

A point is a time and a value; the unit of the time does not matter. Points are in the order of their times.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Points: TypeAlias = Sequence[Point]
Bins: TypeAlias = dict[int, list[float]]

HOLD_BINS = 2
"""Intervals for which a process's rate or count still holds when it misses a sample, because it was busy."""
BREAK_INTERVALS = 5
"""A pause of more intervals than these breaks a line: nothing is known of that time."""
SHARE_OF_BREAKS = 4
"""At most one in that many points of a line is a break."""


def interval(points: Points) -> float:
    """The usual time between two points, 0 for fewer than two."""
    return median([after[0] - before[0] for before, after in pairwise(points)]) if len(points) > 1 else 0.0


def largest(lines: Sequence[Points]) -> Points:
    """One line with the largest value of any of the ``lines`` at each time."""
    return _merged(lines, lambda binned: {number: max(values) for number, values in binned.items()}, max)


def total(lines: Sequence[Points]) -> Points:
    """One line with the sum of the ``lines`` at each time."""
    return _merged(lines, _held_means, sum)


def _merged(
    lines: Sequence[Points], reduce: Callable[[Bins], dict[int, float]], combine: Callable[[list[float]], float]
) -> Points:
    lines = [line for line in lines if line]
    if len(lines) < 2:  # noqa: PLR2004 - there is nothing to merge
        return lines[0] if lines else ()
    start = min(line[0][0] for line in lines)
    step = max(interval(line) for line in lines)
    if step <= 0:
        # Single points, or all at one moment.
        step = max(max(line[-1][0] for line in lines) - start, 1.0)
    values: Bins = {}
    for line in lines:
        binned: Bins = {}
        for at, value in line:
            binned.setdefault(int((at - start) / step), []).append(value)
        for number, value in reduce(binned).items():
            values.setdefault(number, []).append(value)
    return [(start + (number + 0.5) * step, combine(values[number])) for number in _whole(values)]


def _whole(values: Bins) -> list[int]:
    """The bins in order, without a first or last one that only some processes reached: their sum would seem to drop."""
    numbers = sorted(values)
    if len(numbers) > 2 and len(values[numbers[-1]]) < len(values[numbers[-2]]):  # noqa: PLR2004 - its neighbour stays
        numbers.pop()
    if len(numbers) > 2 and len(values[numbers[0]]) < len(values[numbers[1]]):  # noqa: PLR2004
        numbers.pop(0)
    return numbers


def _held_means(binned: Bins) -> dict[int, float]:
    """The mean of each bin. Up to `HOLD_BINS` empty ones between two others have the value of the one before."""
    means = {number: sum(values) / len(values) for number, values in binned.items()}
    for number, following in pairwise(sorted(means)):
        if following - number - 1 <= HOLD_BINS:
            means.update(dict.fromkeys(range(number + 1, following), means[number]))
    return means


def broken(points: Points, points_max: int) -> list[tuple[float, float | None]]:
    """The points with breaks, at most ``points_max``: a None in each long pause, so that no line is drawn across it.

    If there are many pauses, only the longest break the line.
    """
    usual = interval(points) * BREAK_INTERVALS
    pauses = [(before[0], after[0]) for before, after in pairwise(points) if 0 < usual < after[0] - before[0]]
    longest = sorted(pauses, key=lambda pause: pause[1] - pause[0], reverse=True)[: points_max // SHARE_OF_BREAKS]
    breaks: list[tuple[float, float | None]] = [((start + end) / 2, None) for start, end in longest]
    kept = downsampled(points, points_max - len(breaks))
    return sorted([*kept, *breaks], key=lambda point: point[0])


def downsampled(points: Points, points_max: int) -> Points:
    """At most ``points_max`` of the points, which is 4 or more.

    Of each slice of time it keeps the first, the lowest, the highest and the last point. This is the M4 aggregation: a
    line through them looks the same as through all points, on a chart with no more pixels than slices. Unlike averages,
    it loses no spike.
    """
    if len(points) <= points_max:
        return points
    slices = max(1, points_max // 4)
    start, end = points[0][0], points[-1][0]
    length = (end - start) / slices or 1.0
    groups: dict[int, list[Point]] = {}
    for point in points:
        groups.setdefault(min(slices - 1, int((point[0] - start) / length)), []).append(point)
    kept: list[Point] = []
    for group in groups.values():
        lowest = min(range(len(group)), key=lambda at: group[at][1])
        highest = max(range(len(group)), key=lambda at: group[at][1])
        kept += [group[at] for at in sorted({0, lowest, highest, len(group) - 1})]
    return kept
