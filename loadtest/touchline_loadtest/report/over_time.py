"""The charts of a run's samples over time. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from touchline_loadtest.runs import series as usual
from touchline_loadtest.runs.records import Sample

from .charts import LINES_MAX, POINTS_MAX, Chart, Line, shortened, unit_title
from .lines import Point, Points, broken, largest, total
from .run import Run

DIGITS = 5
"""Significant digits of a value: more than a chart can show."""

Labels: TypeAlias = tuple[tuple[str, str], ...]
Source: TypeAlias = tuple[int, str | None]


class Kind(NamedTuple):
    """How the samples of a usual series are shown. ``merge`` joins those of several processes."""

    title: str
    about: str
    merge: Callable[[Sequence[Points]], Points] = largest
    log: bool = False
    wide: bool = False


KINDS: Mapping[str, Kind] = {
    usual.EVENT_LATENCY: Kind(
        "Event latency", "from a record's timestamp to its event at the client", log=True, wide=True
    ),
    usual.DELIVERIES: Kind("Deliveries", "events that all clients together received", total),
    usual.CONNECTIONS: Kind("Connections", "open at the same time", total),
    usual.ACTION_LATENCY: Kind("Action latency", "from an action to its ack", log=True),
    usual.CONNECT_TIME: Kind("Time to connect", "from the first attempt to the welcome", log=True),
    usual.FIRST_STATE: Kind("Time to first state", "from a subscription to the room's state", log=True),
    usual.LOG_LAG: Kind("Log lag", "events between the log's newest record and the clients"),
    usual.ERRORS: Kind("Errors", "of all clients together", total),
    usual.RECONNECTS: Kind("Reconnects", "clients that each edge sent away while it drained", total),
    usual.CPU: Kind("CPU of each process", "100 % is one whole core"),
    usual.MEMORY: Kind("Memory of each process", "shared pages count in part"),
    usual.OPEN_FILES: Kind("Open files of each process", "connections among them"),
}

QUANTILE_COLOURS = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p99.9": "p999", "max": "max"}
TIME_UNITS = ((10_800_000.0, "h", 3_600_000.0), (300_000.0, "min", 60_000.0), (0.0, "s", 1000.0))
"""From which length of a run on time is shown in which unit, and the unit in milliseconds."""


class Group(NamedTuple):
    """The samples that share a chart: labels other than those of its lines tell charts of one series apart."""

    series: str
    unit: str
    labels: Labels
    by_quantile: bool


def time_unit(run: Run) -> tuple[str, float]:
    """The unit in which the time of a run is shown, and its milliseconds."""
    began_ms, ended_ms = run.load_ms
    duration_ms = ended_ms - began_ms
    return next((name, unit_ms) for from_ms, name, unit_ms in TIME_UNITS if duration_ms >= from_ms or not from_ms)


def charts_over_time(run: Run, colours: Mapping[str, str]) -> list[Chart]:
    """The charts of a run, the usual series first. ``colours`` has those of processes."""
    unit, unit_ms = time_unit(run)
    began_ms, _ = run.load_ms
    found: dict[Group, dict[str, dict[Source, list[Point]]]] = {}
    for writer, samples in enumerate(run.samples):
        for sample in samples:
            group, name = _place(sample)
            at = (sample.at_ms - began_ms) / unit_ms
            # What several wrote, or one about several processes, stays apart until it is merged.
            source = (writer, sample.labels.get(usual.PROCESS))
            found.setdefault(group, {}).setdefault(name, {}).setdefault(source, []).append((at, sample.value))
    # Beyond the usual ones, series come in the order of their first samples; charts of one series stay together.
    order = list(dict.fromkeys([*KINDS, *(group.series for group in found)]))
    groups = sorted(found, key=lambda group: (order.index(group.series), group))
    return [_chart(group, found[group], colours, f"time since the load began ({unit})") for group in groups]


def _place(sample: Sample) -> tuple[Group, str]:
    """The chart of a sample, and the name of its line."""
    labels = dict(sample.labels)
    if _kind(sample.series, sample.unit).merge is total:
        labels.pop(usual.PROCESS, None)
    quantile = labels.pop(usual.QUANTILE, None)
    if quantile is not None:
        labels.pop(usual.PROCESS, None)
        return Group(sample.series, sample.unit, tuple(sorted(labels.items())), by_quantile=True), quantile
    name = " · ".join(labels[key] for key in sorted(labels))
    return Group(sample.series, sample.unit, (), by_quantile=False), name


def _kind(series: str, unit: str) -> Kind:
    if series in KINDS:
        return KINDS[series]
    title = series.replace("_", " ")
    return Kind(shortened(title[:1].upper() + title[1:]), "", total if unit == "/s" else largest, unit == "ms")


def _chart(
    group: Group, named: Mapping[str, Mapping[Source, list[Point]]], colours: Mapping[str, str], x_title: str
) -> Chart:
    kind = _kind(group.series, group.unit)
    merged = {name: kind.merge([sorted(points) for points in sources.values()]) for name, sources in named.items()}
    peaks = sorted(merged, key=lambda name: max(value for _, value in merged[name]), reverse=True)[:LINES_MAX]
    shown = _ordered(peaks, by_quantile=group.by_quantile)
    lines = [
        _line(name or kind.title, _colour(name, number, colours, by_quantile=group.by_quantile), merged[name])
        for number, name in enumerate(shown)
    ]
    labels = " · ".join(value for _, value in group.labels)
    positive = all(value is None or value > 0 for line in lines for value in line.y)
    return Chart(
        id=re.sub(r"[^a-z0-9]+", "-", f"{group.series} {labels}".lower()).strip("-")[:60] or "chart",
        title=shortened(f"{kind.title}: {labels}" if labels else kind.title, 90),
        about=kind.about,
        x_title=x_title,
        y_title=f"{unit_title(group.unit)} (log scale)" if kind.log and positive else unit_title(group.unit),
        lines=lines,
        unit=group.unit,
        log=kind.log and positive,
        wide=kind.wide and not labels,
        omitted=len(merged) - len(lines),
    )


def _line(name: str, colour: str, points: Points) -> Line:
    kept = broken(points, POINTS_MAX)
    return Line(shortened(name), colour, [round(at, 4) for at, _ in kept], [_rounded(value) for _, value in kept])


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _ordered(names: Iterable[str], *, by_quantile: bool) -> list[str]:
    if by_quantile:
        return sorted(names, key=lambda name: (_number(name), name))
    return sorted(names)


def _number(quantile: str) -> float:
    digits = quantile.removeprefix("p")
    return float(digits) if re.fullmatch(r"\d+(\.\d+)?", digits) else float("inf")


def _colour(name: str, number: int, colours: Mapping[str, str], *, by_quantile: bool) -> str:
    if by_quantile and name in QUANTILE_COLOURS:
        return QUANTILE_COLOURS[name]
    return colours.get(name, f"series-{number}")
